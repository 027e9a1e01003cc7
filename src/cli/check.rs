//! `paifang check`: what a folder means, without serving it.

use std::fmt::Write as _;
use std::process::ExitCode;

use jiff::Timestamp;

use super::{Check, Output, statuses};
use crate::snapshot::Snapshot;
use crate::source::folder::{self, Loaded};
use crate::source::{Change, Level, Location};
use crate::translate::{Problem, Translation, translate};

/// Prints statuses, findings and problems; 1 when something is wrong.
pub(super) fn check(arguments: &Check) -> anyhow::Result<ExitCode> {
    let loaded = folder::load(&arguments.folder)?;
    let translation = translate(&snapshot(&loaded.changes));
    let fields: Vec<_> = translation.problems.iter().map(|problem| (&problem.object, &*problem.field)).collect();
    let located: Vec<_> = translation.problems.iter().zip(loaded.folder.locate_all(&fields)).collect();
    let text = match arguments.output {
        Output::Text => text(&loaded, &translation, &located)?,
        Output::Json => json(&loaded, &translation, &located)?,
    };
    super::print(&text)?;
    let wrong = !located.is_empty() || loaded.findings.iter().any(|finding| finding.level == Level::Error);
    Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The objects as a store would hold them, now. Sockets count as bound: nothing is tried here.
pub(super) fn snapshot(changes: &[Change]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for change in changes {
        if let Change::Put(object) = change {
            snapshot.put(object.clone());
        }
    }
    snapshot.at(Timestamp::now())
}

fn text(
    loaded: &Loaded,
    translation: &Translation,
    problems: &[(&Problem, Option<Location>)],
) -> anyhow::Result<String> {
    let mut out = String::new();
    statuses::write(translation, &mut out)?;
    let mut lines: Vec<String> = loaded.findings.iter().map(ToString::to_string).collect();
    lines.extend(problems.iter().map(|(problem, location)| statuses::problem(problem, location.as_ref())));
    if !lines.is_empty() {
        out.push('\n');
        out.push_str(&lines.join("\n"));
        out.push('\n');
    }
    let errors = loaded.findings.iter().filter(|finding| finding.level == Level::Error).count() + problems.len();
    let verdict = match errors {
        0 => "nothing is wrong".to_owned(),
        1 => "1 thing is wrong".to_owned(),
        count => format!("{count} things are wrong"),
    };
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let listeners = translation.ir.listeners.len();
    let routes = translation.ir.listeners.iter().map(|listener| listener.routes.len()).sum::<usize>();
    let (many, more) = (plural(listeners), plural(routes));
    writeln!(out, "\n{listeners} listener{many} with {routes} attached route{more}; {verdict}")?;
    Ok(out)
}

fn json(
    loaded: &Loaded,
    translation: &Translation,
    problems: &[(&Problem, Option<Location>)],
) -> anyhow::Result<String> {
    let place = |location: &Location| serde_json::json!({ "file": location.file, "line": location.line, "column": location.column });
    let statuses: serde_json::Map<_, _> = translation
        .statuses
        .iter()
        .map(|(object, status)| Ok((object.to_string(), serde_json::to_value(status)?)))
        .collect::<serde_json::Result<_>>()?;
    let problems: Vec<_> = problems
        .iter()
        .map(|(problem, location)| {
            serde_json::json!({
                "object": problem.object, "field": problem.field, "reason": problem.reason,
                "message": problem.message, "remedy": problem.remedy, "location": location.as_ref().map(place),
            })
        })
        .collect();
    let findings: Vec<_> = loaded
        .findings
        .iter()
        .map(|finding| {
            serde_json::json!({
                "level": finding.level, "object": finding.object, "field": finding.field,
                "message": finding.message, "remedy": finding.remedy, "location": place(&finding.location),
            })
        })
        .collect();
    let whole = serde_json::json!({ "statuses": statuses, "problems": problems, "findings": findings });
    Ok(serde_json::to_string_pretty(&whole)? + "\n")
}
