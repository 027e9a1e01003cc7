use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const SHIPPED: &str = include_str!("../../conf/paifang.yaml");

/// The messages of a text, as `line:column message`.
fn problems(text: &str) -> Vec<String> {
    let problems = Config::parse(text).unwrap_err();
    problems.into_iter().map(|p| format!("{}:{} {}", p.line, p.column, p.message)).collect()
}

/// Every key of a mapping and those below it, as `downstream.http2.idleTimeout`, with its line.
fn keys(prefix: &str, node: &yaml::Node, found: &mut Vec<(String, usize)>) {
    let yaml::Value::Map(map) = &node.value else { return };
    for (key, value) in map {
        let path = if prefix.is_empty() { key.text.clone() } else { format!("{prefix}.{}", key.text) };
        found.push((path.clone(), key.line));
        keys(&path, value, found);
    }
}

/// Every key that exists.
fn known_keys() -> BTreeSet<String> {
    let sections: [(&str, &[&str]); 16] = [
        ("", Config::KEYS),
        ("exposure", ExposureConfig::KEYS),
        ("exposure.service", ServiceConfig::KEYS),
        ("kubernetes", KubernetesConfig::KEYS),
        ("kubernetes.lease", LeaseConfig::KEYS),
        ("drain", Drain::KEYS),
        ("downstream", Downstream::KEYS),
        ("downstream.http2", Http2::KEYS),
        ("path", PathRules::KEYS),
        ("forwarded", Forwarded::KEYS),
        ("forwarded.requestId", RequestId::KEYS),
        ("upstream", Upstream::KEYS),
        ("limits", LimitsConfig::KEYS),
        ("limits.store", StoreConfig::KEYS),
        ("accessLog", AccessLogConfig::KEYS),
        ("log", LogConfig::KEYS),
    ];
    let path = |section: &str, key: &str| if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
    sections.iter().flat_map(|(section, keys)| keys.iter().map(|key| path(section, key))).collect()
}

#[test]
fn the_shipped_file_holds_exactly_the_defaults() {
    assert_eq!(Config::parse(SHIPPED), Ok(Config::default()));
    assert_eq!(Config::parse(""), Ok(Config::default()));
    assert_eq!(Config::parse("# nothing\n"), Ok(Config::default()));
}

#[test]
fn the_shipped_file_names_every_setting_and_comments_it_in_the_line_above() {
    let mut found = Vec::new();
    keys("", &yaml::parse(SHIPPED).unwrap().unwrap(), &mut found);
    let named: BTreeSet<String> = found.iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(named, known_keys());
    let lines: Vec<&str> = SHIPPED.lines().collect();
    for (key, line) in found {
        assert!(lines[line - 2].trim_start().starts_with("# "), "{key} in line {line} has no comment");
    }
}

#[test]
fn a_changed_value_anywhere_in_the_file_changes_the_settings() {
    let mut values = Vec::new();
    leaves(&yaml::parse(SHIPPED).unwrap().unwrap(), &mut values);
    assert_eq!(values.len(), known_keys().len() - 18, "every key but the sections and the three collections");
    for (line, column, text) in values {
        let other = match &*text {
            "127.0.0.1" => "::1",
            "127.0.0.1:8081" => "'[::]:1'",
            "true" => "false",
            "false" => "true",
            "Keep" => "Reject",
            "RoundRobin" => "LeastRequest",
            "Auto" => "Service",
            "LoadBalancer" => "NodePort",
            "Cluster" => "Local",
            "10000-29999" => "1-2",
            "Text" => "Json",
            "info" => "debug",
            "" => "/tmp/x",
            "64Ki" | "16Ki" | "1Mi" | "4Mi" => "128Ki",
            text if text.ends_with('s') => "7s",
            _ => "99",
        };
        let mut lines: Vec<String> = SHIPPED.lines().map(str::to_owned).collect();
        lines[line - 1].replace_range(column - 1.., other);
        let changed = Config::parse(&lines.join("\n")).unwrap();
        assert_ne!(changed, Config::default(), "line {line}: {other} instead of {text}");
    }
}

fn leaves(node: &yaml::Node, found: &mut Vec<(usize, usize, String)>) {
    match &node.value {
        yaml::Value::Scalar(text) => found.push((node.line, node.column, text.clone())),
        yaml::Value::Map(map) => map.iter().for_each(|(_, value)| leaves(value, found)),
        yaml::Value::List(list) => list.iter().for_each(|value| leaves(value, found)),
    }
}

#[test]
fn values_are_read_with_their_units() {
    let config = Config::parse(
        "bind: '::'\nportMap: {80: 8080}\ndrain: {delay: 1m30s}\ndownstream:\n  maxHeaderBytes: 32Ki\n  maxUriBytes: 4096\n\
         forwarded: {trustedProxies: [10.0.0.0/8, '2001:db8::1']}\nupstream: {balance: LeastRequest}\n",
    )
    .unwrap();
    assert_eq!(config.bind, "::".parse::<IpAddr>().unwrap());
    assert_eq!((config.ports.bound(80), config.ports.bound(81)), (8080, 81));
    assert_eq!(config.drain.delay, Duration::from_secs(90));
    assert_eq!((config.downstream.max_header_bytes, config.downstream.max_uri_bytes), (32_768, 4096));
    let trusted: Vec<String> = config.forwarded.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(trusted, ["10.0.0.0/8", "2001:db8::1/128"]);
    assert_eq!(config.upstream.balance, Balance::LeastRequest);
    assert_eq!(config.drain.timeout, Drain::default().timeout, "what is not mentioned keeps its default");
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_name() {
    assert_eq!(
        problems("downstream:\n  headertimeout: 5s\n"),
        ["2:3 unknown setting 'headertimeout': did you mean 'headerTimeout'?"]
    );
    assert_eq!(problems("acesslog: {}\n"), ["1:1 unknown setting 'acesslog': did you mean 'accessLog'?"]);
    assert_eq!(
        problems("log: {zzz: 1}"),
        ["1:7 unknown setting 'zzz': known are level, format"],
        "nothing is near: all are listed"
    );
    assert_eq!(problems("path: {encodedSlashes: keep}"), ["1:24 unknown value 'keep': did you mean 'Keep'?"]);
}

#[test]
fn all_problems_are_reported_together_by_line() {
    let text = "bind: localhost\nthreads: many\nthreads: 2\ndrain: {timeout: 30}\ndownstream:\n  maxHeaders: 1000\n\
                \x20 headerTimeout: 0s\n  maxUriBytes: 10\n  maxHeaderBytes: 1Zi\nportMap: {0: 80, 443: 70000}\n\
                forwarded: {trustedProxies: [10.0.0.0/33, a]}\nlog: {level: inof}\npath: {mergeSlashes: yes}\n";
    assert_eq!(
        problems(text),
        [
            "1:7 'localhost' is not an IP address, for example 127.0.0.1 or ::",
            "2:10 'many' is not a whole number from 0 to 1024",
            "3:1 'threads' is set twice",
            "4:18 '30' is not a duration: write one to four of h, m, s, ms with up to 5 digits each, for example 1h30m or 500ms",
            "6:15 '1000' is not a whole number from 1 to 256",
            "7:18 '0s' is too short: at least 1ms",
            "8:16 '10' is out of range: 64 to 1048576 bytes",
            "9:19 '1Zi' is not a size: write bytes as 4096, 64Ki or 1Mi",
            "10:11 '0' is not a port from 1 to 65535",
            "10:23 '70000' is not a port from 1 to 65535",
            "11:30 '10.0.0.0/33' is not a network, for example 10.0.0.0/8 or 192.0.2.1",
            "11:43 'a' is not a network, for example 10.0.0.0/8 or 192.0.2.1",
            "12:14 'inof' is no log level: write error, warn, info, debug or trace, or info,paifang::source=debug",
            "13:22 unknown value 'yes': known are true, false",
        ]
    );
}

#[test]
fn what_is_no_settings_file_is_refused_with_its_place() {
    for (text, line) in [
        ("a: b: c", 1),
        ("bind: 127.0.0.1\n bind: x", 2),
        ("---\nbind: ::1\n---\nbind: ::1\n", 3),
        ("x: &a 1\ny: *a", 1),
        ("bind: !!str x", 1),
        ("{[a]: 1}", 1),
        ("- 1", 1),
        ("text", 1),
        ("log: [info]", 1),
        ("bind: [", 2),
    ] {
        let found = Config::parse(text).unwrap_err();
        assert_eq!((found.len(), found[0].line), (1, line), "{text:?}: {found:?}");
    }
    let deep = "[".repeat(5000);
    assert!(Config::parse(&deep).is_err());
}

#[test]
fn an_empty_value_keeps_the_default() {
    assert_eq!(Config::parse("drain:\nbind: ~\nthreads: null\nupstream:\n  balance:\n"), Ok(Config::default()));
}

#[test]
fn errors_name_the_file_and_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("paifang.yaml");
    let missing = Config::load(&path).unwrap_err().to_string();
    assert!(missing.starts_with(&format!("{}: cannot be read: ", path.display())), "{missing}");
    std::fs::write(&path, "bnd: 1\nadmin: 1\n").unwrap();
    let shown = Config::load(&path).unwrap_err().to_string();
    let lines: Vec<&str> = shown.lines().collect();
    let file = path.display().to_string();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], format!("{file}:1:1: unknown setting 'bnd': did you mean 'bind'?"));
    assert!(lines[1].starts_with(&format!("{file}:2:8: '1' is not an IP address and a port")), "{shown}");
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(Config::load(&path).unwrap_err().to_string().ends_with("is not UTF-8 text"));
    std::fs::write(&path, "#".repeat(2 << 20)).unwrap();
    assert!(Config::load(&path).unwrap_err().to_string().contains("is larger than"));
}

#[test]
fn a_port_is_bound_as_written_unless_it_is_mapped() {
    assert_eq!(Ports::AsWritten.bound(80), 80);
    assert_eq!(Ports::Ephemeral.bound(80), 0);
    assert_eq!(Config::parse("portMap: {}").unwrap().ports, Ports::AsWritten);
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-zA-Z0-9:,{}\\[\\]&*!'\"\\-?|>#% \n\t~.é]{0,200}") {
        let _ = Config::parse(&text);
    }

    #[test]
    fn a_problem_always_has_a_place(key in "[a-z]{1,12}", value in "[a-z0-9]{1,12}") {
        for problem in Config::parse(&format!("\n{key}: {value}\n")).err().unwrap_or_default() {
            prop_assert_eq!(problem.line, 2);
            prop_assert!(problem.column > 0 && !problem.message.is_empty());
        }
    }
}

#[test]
fn an_address_pool_takes_addresses_ranges_and_networks() {
    let read = |text: &str| Config::parse(&format!("exposure: {{mode: AddressPool, addressPool: [{text}]}}"));
    let ranges = read("10.0.0.1, 10.0.0.10-10.0.0.20, 10.1.0.0/30, \"fd00::1\"").unwrap().exposure.address_pool;
    let texts: Vec<_> = ranges.iter().map(|range| format!("{}-{}", range.first, range.last)).collect();
    assert_eq!(texts, ["10.0.0.1-10.0.0.1", "10.0.0.10-10.0.0.20", "10.1.0.0-10.1.0.3", "fd00::1-fd00::1"]);
    for wrong in ["10.0.0.9-10.0.0.1", "10.0.0.1-fd00::1", "x", "10.0.0.0/40"] {
        assert!(read(&format!("\"{wrong}\"")).is_err(), "{wrong}");
    }
}

#[test]
fn listeners_are_bound_here_unless_the_settings_say_otherwise() {
    let way = |text: &str| Config::parse(text).unwrap().exposure();
    assert!(matches!(way(""), Exposure::Host(_)));
    let Exposure::Service(service) = way("exposure: {mode: Service, service: {podPorts: 2000-2999}}") else {
        panic!("a Service")
    };
    assert_eq!(service.ports, 2000..=2999);
    assert!(Config::parse("exposure: {service: {podPorts: 3000-2999}}").is_err());
}
