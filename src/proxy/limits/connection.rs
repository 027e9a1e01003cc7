//! What a connection may take: a place under each limit on connections, before anything is done for it.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;

use super::Permits;
use crate::limit::rate::Mode;
use crate::table::Query;
use crate::table::limits::{Amount, Asked, Meter, Tokens};

/// Its places, to hold on to while it is open; `None` when it has to be closed.
pub(in crate::proxy) fn enter<'m>(meters: impl Iterator<Item = &'m Arc<Meter>>, client: IpAddr) -> Option<Permits> {
    // nothing of a request is known, and no such limit asks for it
    let headers = HeaderMap::new();
    let query = Query { host: "", path: "", query: None, method: "", headers: &headers };
    let tokens = Tokens::default();
    let asked = Asked { client, query, tokens: &tokens };
    let mut permits = Permits::new();
    for meter in meters.filter(|meter| meter.limit.counts(&asked)) {
        let Amount::Connections(in_use) = &meter.amount else { continue };
        match meter.enter(in_use, meter.key(&asked)) {
            Some(permit) => permits.push(permit),
            None if meter.mode() == Mode::Shadow => {}
            None => return None,
        }
    }
    Some(permits)
}
