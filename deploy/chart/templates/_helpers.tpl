{{- define "paifang.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* The name of all objects: the release's, with the chart's where that does not hold it. */ -}}
{{- define "paifang.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "paifang.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "paifang.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* What selects the pods; it can never change, so it holds no version. */ -}}
{{- define "paifang.selector" -}}
app.kubernetes.io/name: {{ include "paifang.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "paifang.labels" -}}
{{ include "paifang.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "paifang.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "paifang.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.name: say which one, as serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "paifang.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- /* Where the last good configuration is kept. */ -}}
{{- define "paifang.stateDir" -}}/var/lib/paifang{{- end -}}

{{- /* The settings of the process: what the user says, and what must fit the other objects. */ -}}
{{- define "paifang.config" -}}
{{- $own := dict "service" (include "paifang.fullname" .) "lease" (dict "name" (include "paifang.fullname" .)) -}}
{{- if .Values.state.enabled -}}
{{- $_ := set $own "stateDir" (include "paifang.stateDir" .) -}}
{{- end -}}
{{- $user := .Values.config.kubernetes | default dict -}}
{{- range $key := list "service" "stateDir" "namespace" -}}
{{- if hasKey $user $key -}}
{{- fail (printf "config.kubernetes.%s: the chart sets it; use fullnameOverride, state.enabled or --namespace" $key) -}}
{{- end -}}
{{- end -}}
{{- if hasKey ($user.lease | default dict) "name" -}}
{{- fail "config.kubernetes.lease.name: the chart sets it; use fullnameOverride" -}}
{{- end -}}
{{- mergeOverwrite (deepCopy .Values.config) (dict "kubernetes" $own) | toYaml -}}
{{- end -}}

{{- /* The admin server's port, from config.admin. */ -}}
{{- define "paifang.adminPort" -}}
{{- regexFind "[0-9]+$" .Values.config.admin -}}
{{- end -}}

{{- /* Whole seconds of a duration as 500ms, 30s, 1m30s, 1h. */ -}}
{{- define "paifang.seconds" -}}
{{- $units := dict "h" 3600000 "m" 60000 "s" 1000 "ms" 1 -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h)" . -1 -}}
{{- $sum = add $sum (mul (regexFind "^[0-9]+" .) (get $units (regexFind "[a-z]+$" .))) -}}
{{- end -}}
{{- div (add $sum 999) 1000 -}}
{{- end -}}

{{- /* How long the kubelet waits: the delay, the drain, and ten seconds for the last log lines. */ -}}
{{- define "paifang.gracePeriod" -}}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds -}}
{{- $drain := .Values.config.drain | default dict -}}
{{- add (include "paifang.seconds" ($drain.delay | default "0s")) (include "paifang.seconds" ($drain.timeout | default "30s")) 10 -}}
{{- else -}}
{{- .Values.terminationGracePeriodSeconds -}}
{{- end -}}
{{- end -}}

{{- /* First and last pod port of Gateways, as 10000-29999. */ -}}
{{- define "paifang.podPorts" -}}
{{- $exposure := .Values.config.exposure | default dict -}}
{{- ($exposure.service | default dict).podPorts | default "10000-29999" -}}
{{- end -}}
