//! Readers of single values: a node in, a value out or a problem said.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use super::yaml::{Node, Value};
use super::{ConfigProblem, PortRange, Ports, Problems};
use crate::limit::global::Address;
use crate::snapshot::AddressRange;

/// The known entries of a mapping; unknown and repeated keys are said. An empty value counts as absent.
pub(super) fn entries<'n>(node: &'n Node, known: &[&str], problems: &mut Problems) -> Option<Vec<(&'n str, &'n Node)>> {
    let Value::Map(map) = &node.value else {
        return refuse(node, format!("expected settings as 'name: value', one of {}", known.join(", ")), problems);
    };
    let mut entries: Vec<(&str, &Node)> = Vec::with_capacity(map.len());
    for (key, value) in map {
        if !known.contains(&key.text.as_str()) {
            say(key.line, key.column, unknown("setting", &key.text, known), problems);
        } else if entries.iter().any(|(seen, _)| *seen == key.text) {
            say(key.line, key.column, format!("'{}' is set twice", key.text), problems);
        } else if value.value != Value::Scalar(String::new()) || value.quoted {
            entries.push((&key.text, value));
        }
    }
    Some(entries)
}

/// One of several names.
pub(super) fn choice<T: Copy>(node: &Node, known: &[(&str, T)], problems: &mut Problems) -> Option<T> {
    let text = scalar(node, problems)?;
    let found = known.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    if found.is_none() {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        return refuse(node, unknown("value", text, &names), problems);
    }
    found
}

/// A duration between `MIN` and `MAX` milliseconds.
pub(super) fn duration<const MIN: u64, const MAX: u64>(node: &Node, problems: &mut Problems) -> Option<Duration> {
    let text = scalar(node, problems)?;
    match crate::api::duration::parse(text) {
        Err(error) => refuse(node, error.to_string(), problems),
        Ok(value) if value < Duration::from_millis(MIN) => {
            refuse(node, format!("'{text}' is too short: at least {MIN}ms"), problems)
        }
        Ok(value) if value > Duration::from_millis(MAX) => {
            refuse(node, format!("'{text}' is too long: at most {}s", MAX / 1000), problems)
        }
        Ok(value) => Some(value),
    }
}

/// A whole number between `MIN` and `MAX`.
pub(super) fn count<const MIN: usize, const MAX: usize>(node: &Node, problems: &mut Problems) -> Option<Number> {
    let text = scalar(node, problems)?;
    match text.parse::<usize>() {
        Ok(value) if (MIN..=MAX).contains(&value) => Some(Number(value)),
        _ => refuse(node, format!("'{text}' is not a whole number from {MIN} to {MAX}"), problems),
    }
}

/// A size between `MIN` and `MAX` bytes.
pub(super) fn size<const MIN: usize, const MAX: usize>(node: &Node, problems: &mut Problems) -> Option<Number> {
    let text = scalar(node, problems)?;
    match bytes(text) {
        Some(value) if (MIN..=MAX).contains(&value) => Some(Number(value)),
        Some(_) => refuse(node, format!("'{text}' is out of range: {MIN} to {MAX} bytes"), problems),
        None => refuse(node, format!("'{text}' is not a size: write bytes as 4096, 64Ki or 1Mi"), problems),
    }
}

/// `true` or `false`.
pub(super) fn boolean(node: &Node, problems: &mut Problems) -> Option<bool> {
    choice(node, &[("true", true), ("false", false)], problems)
}

/// Any text, also an empty one.
pub(super) fn text(node: &Node, problems: &mut Problems) -> Option<String> {
    scalar(node, problems).map(str::to_owned)
}

/// An IP address.
pub(super) fn address(node: &Node, problems: &mut Problems) -> Option<IpAddr> {
    parsed(node, "an IP address, for example 127.0.0.1 or ::", problems)
}

/// An IP address and a port.
pub(super) fn socket(node: &Node, problems: &mut Problems) -> Option<SocketAddr> {
    parsed(node, "an IP address and a port, for example 127.0.0.1:8081 or [::1]:8081", problems)
}

/// Where a store listens; nothing for none.
pub(super) fn store(node: &Node, problems: &mut Problems) -> Option<Option<Address>> {
    if scalar(node, problems)?.is_empty() {
        return Some(None);
    }
    parsed(node, "a host and a port or the path of a socket, for example redis.infra:6379", problems).map(Some)
}

/// A list of networks or addresses.
pub(super) fn networks(node: &Node, problems: &mut Problems) -> Option<Vec<IpNet>> {
    let Value::List(list) = &node.value else {
        return refuse(node, "expected a list of networks, for example [10.0.0.0/8]".to_owned(), problems);
    };
    let networks: Vec<Option<IpNet>> = list.iter().map(|item| network(item, problems)).collect();
    networks.into_iter().collect()
}

/// A list of addresses, ranges of them (`10.0.0.10-10.0.0.20`) and networks.
pub(super) fn address_ranges(node: &Node, problems: &mut Problems) -> Option<Vec<AddressRange>> {
    let Value::List(list) = &node.value else {
        return refuse(node, "expected a list of addresses, for example [10.0.0.10-10.0.0.20]".to_owned(), problems);
    };
    let ranges: Vec<Option<AddressRange>> = list.iter().map(|item| address_range(item, problems)).collect();
    ranges.into_iter().collect()
}

fn address_range(node: &Node, problems: &mut Problems) -> Option<AddressRange> {
    let text = scalar(node, problems)?;
    let read = |text: &str| text.trim().parse::<IpAddr>().ok();
    let ends = match text.split_once('-') {
        Some((first, last)) => read(first).zip(read(last)),
        None => match IpNet::from_str(text) {
            Ok(network) => Some((network.network(), network.broadcast())),
            Err(_) => read(text).map(|address| (address, address)),
        },
    };
    match ends {
        Some((first, last)) if first.is_ipv4() == last.is_ipv4() && first <= last => Some(AddressRange { first, last }),
        _ => {
            let message = format!("'{text}' is no address, range (10.0.0.10-10.0.0.20) or network (10.0.0.0/28)");
            refuse(node, message, problems)
        }
    }
}

/// Ports from a first to a last, as `10000-29999`.
pub(super) fn port_range(node: &Node, problems: &mut Problems) -> Option<PortRange> {
    let text = scalar(node, problems)?;
    let ends = text.split_once('-').and_then(|(first, last)| Some((port(first)?, port(last)?)));
    match ends {
        Some((first, last)) if first <= last => Some(PortRange(first..=last)),
        _ => refuse(node, format!("'{text}' is no range of ports, for example 10000-29999"), problems),
    }
}

/// A map from the ports of listeners to ports that are bound.
pub(super) fn ports(node: &Node, problems: &mut Problems) -> Option<Ports> {
    let Value::Map(map) = &node.value else {
        return refuse(node, "expected a map of ports, for example {80: 8080, 443: 8443}".to_owned(), problems);
    };
    let mut ports = BTreeMap::new();
    for (key, value) in map {
        let from = port(&key.text);
        if from.is_none() {
            say(key.line, key.column, format!("'{}' is not a port from 1 to 65535", key.text), problems);
        }
        let text = scalar(value, problems)?;
        let to = port(text).or_else(|| refuse(value, format!("'{text}' is not a port from 1 to 65535"), problems));
        if let (Some(from), Some(to)) = (from, to)
            && ports.insert(from, to).is_some()
        {
            say(key.line, key.column, format!("port {from} is mapped twice"), problems);
        }
    }
    Some(if ports.is_empty() { Ports::AsWritten } else { Ports::Mapped(ports) })
}

/// A number whose range has been checked, on its way to a field's own type.
pub(super) struct Number(usize);

impl From<Number> for usize {
    fn from(number: Number) -> Self {
        number.0
    }
}

impl From<Number> for u32 {
    fn from(number: Number) -> Self {
        Self::try_from(number.0).unwrap_or(Self::MAX)
    }
}

fn network(node: &Node, problems: &mut Problems) -> Option<IpNet> {
    let text = scalar(node, problems)?;
    let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse()
        .ok()
        .or_else(alone)
        .or_else(|| refuse(node, format!("'{text}' is not a network, for example 10.0.0.0/8 or 192.0.2.1"), problems))
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}

/// `64Ki` as 65536.
pub(crate) fn bytes(text: &str) -> Option<usize> {
    let (number, factor) = [("Ki", 10), ("Mi", 20), ("Gi", 30)]
        .into_iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, 1_usize << shift)))
        .unwrap_or((text, 1));
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| number.parse::<usize>().ok()?.checked_mul(factor)).flatten()
}

fn parsed<T: FromStr>(node: &Node, what: &str, problems: &mut Problems) -> Option<T> {
    let text = scalar(node, problems)?;
    text.parse().ok().or_else(|| refuse(node, format!("'{text}' is not {what}"), problems))
}

/// The text of a single value.
pub(super) fn scalar<'n>(node: &'n Node, problems: &mut Problems) -> Option<&'n str> {
    match &node.value {
        Value::Scalar(text) => Some(text),
        Value::Map(_) | Value::List(_) => refuse(node, "expected a single value".to_owned(), problems),
    }
}

fn unknown(what: &str, given: &str, known: &[&str]) -> String {
    let near = |name: &&&str| strsim::jaro_winkler(&given.to_lowercase(), &name.to_lowercase());
    let nearest = known.iter().max_by(|a, b| near(a).total_cmp(&near(b))).filter(|name| near(name) > 0.75);
    match nearest {
        Some(name) => format!("unknown {what} '{given}': did you mean '{name}'?"),
        None => format!("unknown {what} '{given}': known are {}", known.join(", ")),
    }
}

/// Says what is wrong with a node; always `None`.
pub(super) fn refuse<T>(node: &Node, message: String, problems: &mut Problems) -> Option<T> {
    say(node.line, node.column, message, problems);
    None
}

fn say(line: usize, column: usize, message: String, problems: &mut Problems) {
    problems.push(ConfigProblem { line, column, message });
}
