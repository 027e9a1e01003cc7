//! Asks the admin server of a process that serves.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::cli::Output;
use crate::explain::Request;

/// For the connection, and for each part of the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// No explanation is as long.
const LONGEST: u64 = 64 << 20;

/// The explanation of a process, and whether somebody serves the request.
pub(super) fn process(admin: SocketAddr, request: &Request, output: Output) -> anyhow::Result<(String, bool)> {
    let admin = reachable(admin);
    let output = if output == Output::Json { "&output=json" } else { "" };
    let answer = get(admin, &format!("/explain?{}{output}", request.to_query())).with_context(|| {
        format!(
            "the admin server {admin} does not answer: run this where Paifang runs, say --admin ADDR:PORT, or \
             --manifests DIR for a folder"
        )
    })?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer of the admin server is not complete")?;
    match head.split(' ').nth(1) {
        Some("200") => Ok((body.to_owned(), true)),
        Some("404") => Ok((body.to_owned(), false)),
        _ => bail!("{}", body.trim_end()),
    }
}

/// HTTP/1.0, so that the answer ends with the connection.
fn get(admin: SocketAddr, target: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&admin, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {target} HTTP/1.0\r\nhost: {admin}\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer)?;
    Ok(answer)
}

/// Who listens everywhere is found on this machine.
fn reachable(admin: SocketAddr) -> SocketAddr {
    let address = match admin.ip() {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    SocketAddr::new(address, admin.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_all_interfaces_is_asked_on_this_machine() {
        for (admin, asked) in
            [("0.0.0.0:8081", "127.0.0.1:8081"), ("[::]:9", "[::1]:9"), ("192.0.2.1:8081", "192.0.2.1:8081")]
        {
            assert_eq!(reachable(admin.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
