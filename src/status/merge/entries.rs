//! Lists in which every controller has entries of its own: ours among those of others.

use serde_json::{Map, Value};

use super::is_ours;

/// The list with what is wanted. Each entry of ours keeps its place, those that nobody wants go, new ones come
/// last while there is room. `is` says whether an entry is about the same, `write` what has to stand in it.
pub(super) fn merged<W>(
    current: &[Value],
    wanted: &[W],
    most: usize,
    is: impl Fn(&W, &Value) -> bool,
    write: impl Fn(&W, &mut Map<String, Value>),
) -> Vec<Value> {
    let entry = |wanted: &W, known: Option<&Map<String, Value>>| {
        let mut entry = known.cloned().unwrap_or_default();
        write(wanted, &mut entry);
        Value::Object(entry)
    };
    let mut left: Vec<&W> = wanted.iter().collect();
    let mut next = Vec::with_capacity(current.len() + wanted.len());
    for known in current {
        if !is_ours(known) {
            next.push(known.clone());
        } else if let Some(place) = left.iter().position(|wanted| is(wanted, known)) {
            next.push(entry(left.remove(place), known.as_object()));
        }
    }
    let room = most.saturating_sub(next.len());
    next.extend(left.into_iter().take(room).map(|wanted| entry(wanted, None)));
    next
}
