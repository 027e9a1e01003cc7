//! What a client is told about its limits.

use bytes::Bytes;
use http::header::{self, RETRY_AFTER};
use http::{HeaderName, HeaderValue};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::Denied;
use crate::limit::header::{POLICY, STATE, retry_after, state};
use crate::proxy::context::Context;
use crate::proxy::fail::{Fail, TOO_MANY};
use crate::proxy::respond::{self, Form};
use crate::table::limits::Amount;

/// Answers a request that a limit denied.
pub(in crate::proxy) async fn deny(session: &mut Session, denied: &Denied, ctx: &mut Context) -> Result<()> {
    let limit = &denied.meter.limit;
    ctx.limit = Some(denied.meter.clone());
    ctx.quota = remaining(denied);
    let fail = Fail { status: limit.denial.status, ..TOO_MANY };
    let (mut head, body) = match respond::form(session) {
        Form::Grpc => (respond::grpc(&fail)?, Bytes::new()),
        _ => {
            let mut head = ResponseHeader::build(fail.status, Some(8))?;
            head.insert_header(header::CONTENT_TYPE, limit.denial.content_type.clone())?;
            head.insert_header(header::CONTENT_LENGTH, HeaderValue::from(limit.denial.body.len()))?;
            (head, limit.denial.body.clone())
        }
    };
    head.insert_header(RETRY_AFTER, retry_after(denied.retry_after))?;
    respond::finish(session, head, body, ctx).await
}

/// Adds what the limits of a request have left to its response. A backend may have limits of its own.
pub(in crate::proxy) fn tell(response: &mut ResponseHeader, ctx: &Context) -> Result<()> {
    let Some(quota) = &ctx.quota else { return Ok(()) };
    if let Some(policy) = ctx.rule.as_ref().and_then(|rule| rule.limits.policy.as_ref()) {
        response.append_header(HeaderName::from_static(POLICY), policy.clone())?;
    }
    response.append_header(HeaderName::from_static(STATE), quota.clone())?;
    Ok(())
}

/// `RateLimit` of a denial by a rate.
fn remaining(denied: &Denied) -> Option<HeaderValue> {
    let Amount::Rate(rate) = &denied.meter.amount else { return None };
    let (remaining, reset_after) = denied.left?;
    state(&rate.name, remaining, reset_after)
}
