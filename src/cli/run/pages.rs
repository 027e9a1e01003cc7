//! Pages of the admin server that show what is served.

mod left;

use std::sync::Arc;

use http::StatusCode;

use super::Served;
use crate::admin::{Answer, Content, Page, Question};
use crate::config::PathRules;
use crate::controller::View;
use crate::explain::{self, Request, World};
use crate::ir::{BackendKey, LimitId};
use crate::table::Table;
use crate::table::action::RuleId;
use crate::table::limits::Asked;
use crate::telemetry::Metrics;
use left::Counters;

/// What `/explain` says to who asks nothing.
const USAGE: &str = "\
/explain?url=https://host/path says who serves a request, and why the others do not.

Everything is percent-encoded, & in the URL above all. Further parameters:
  method=POST         GET unless given
  header=name:value   may be given several times
  client-ip=ADDRESS   of the client behind trusted proxies, for limits by client
  output=json         for programs
";

/// `/config_dump`: what is served and said. The table stands for the IR it is made from, because the
/// IR holds what routes write into headers, credentials among them.
pub(super) fn dump(served: Arc<Served>) -> Page {
    let render = move |_: &Question| {
        let (view, table) = now(&served)?;
        let statuses: serde_json::Map<_, _> = view
            .translation
            .statuses
            .iter()
            .filter_map(|(object, status)| Some((object.to_string(), serde_json::to_value(status).ok()?)))
            .collect();
        let problems = &view.translation.problems;
        let all = serde_json::json!({ "statuses": statuses, "problems": problems, "table": table.dump() });
        Some(Answer { status: StatusCode::OK, content: Content::Json(all) })
    };
    Page { path: "/config_dump", title: "what is served, and the status of every object", render: Box::new(render) }
}

/// `/explain`: who serves a request at this moment, and why the others do not. 404 when nobody does.
pub(super) fn explain(served: Arc<Served>, paths: PathRules, metrics: Arc<Metrics>) -> Page {
    let render = move |question: &Question| {
        let (view, table) = now(&served)?;
        if question.query.is_empty() {
            return Some(text(StatusCode::OK, USAGE));
        }
        Some(
            explained(&view, &Counters { table, metrics: Arc::clone(&metrics) }, &paths, question)
                .unwrap_or_else(|why| text(StatusCode::BAD_REQUEST, &(why + "\n"))),
        )
    };
    Page { path: "/explain", title: "who serves a request, and why the others do not", render: Box::new(render) }
}

fn text(status: StatusCode, text: &str) -> Answer {
    Answer { status, content: Content::Text(text.to_owned()) }
}

fn explained(view: &View, counters: &Counters, paths: &PathRules, question: &Question) -> Result<Answer, String> {
    let request = Request::from_query(&question.query).map_err(|unclear| unclear.to_string())?;
    let endpoints = |key: &BackendKey| {
        let addresses = counters.table.backends.get(key).map(|cell| cell.addresses()).unwrap_or_default();
        addresses.iter().map(ToString::to_string).collect()
    };
    let left = |rule: &RuleId, limit: &LimitId, asked: &Asked<'_>| counters.left(rule, limit, asked);
    let (snapshot, translation) = (&view.snapshot, &view.translation);
    let world = World { snapshot, translation, paths, endpoints: &endpoints, left: &left };
    let explanation = explain::explain(&world, &request).map_err(|refused| refused.to_string())?;
    let status = if explanation.is_served() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let content = if question.json {
        Content::Json(serde_json::to_value(&explanation).map_err(|error| error.to_string())?)
    } else {
        Content::Text(explanation.to_string())
    };
    Ok(Answer { status, content })
}

/// What is served at this moment; none before anything is.
fn now(served: &Served) -> Option<(View, Arc<Table>)> {
    let (view, routes) = served.get()?;
    let view = view.borrow().clone();
    (view.version > 0).then(|| (view, routes.table()))
}
