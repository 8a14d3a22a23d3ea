//! Which addresses may be subscribed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// The longest address, in characters.
const MOST: usize = 2_000;

/// An address that may be subscribed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The whole address.
    pub address: String,
    /// What may be shown of it: URLs of webhooks hold secrets in their paths.
    pub shown: String,
}

/// An address that may not be subscribed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadAddress(String);

/// Checks the address of a `webhook`, of `slack` or of an `email`.
///
/// # Errors
/// [`BadAddress`] says what is wrong and what is expected; it quotes nothing that may be secret.
pub fn check(target: &str, address: &str, allows_private: bool) -> Result<Checked, BadAddress> {
    let address = address.trim();
    if address.chars().count() > MOST {
        return Err(BadAddress(format!("has over {MOST} characters")));
    }
    if target == "email" {
        return mailbox(address);
    }
    let wrong =
        |what: &str| BadAddress(format!("{what}; expected a URL such as https://hooks.example/aspora"));
    let url: Url = address.parse().map_err(|_| wrong("is not a URL"))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(wrong("is neither https nor http"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("has a user or a password in it"));
    }
    let is_private = match url.host() {
        Some(Host::Ipv4(ip)) => !is_public(ip.into()),
        Some(Host::Ipv6(ip)) => !is_public(ip.into()),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => return Err(wrong("has no host")),
    };
    if is_private && !allows_private {
        let what = "is a private address, which is refused unless the server has ASPORA_NOTIFY_PRIVATE=allow";
        return Err(BadAddress(what.to_owned()));
    }
    Ok(Checked { address: url.to_string(), shown: format!("{}/…", url.origin().ascii_serialization()) })
}

fn mailbox(address: &str) -> Result<Checked, BadAddress> {
    let read: Result<lettre::Address, _> = address.parse();
    if read.is_err() || address.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(BadAddress("is no mail address such as ada@acme.example".to_owned()));
    }
    Ok(Checked { address: address.to_owned(), shown: address.to_owned() })
}

/// Whether an address is one of the public network.
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_unspecified()
        || ip.is_broadcast()
        || ip.is_documentation()
        || ip.is_multicast()
        || a == 0
        // Carriers, protocol assignments, benchmarks, the reserved end.
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b))
        || a >= 240)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(inner) = ip.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b) {
        // What translates to an address of version 4 is as public as that.
        (0x64, 0xff9b) => [c, d, e, f] == [0; 4] && v4(g, h),
        (0x2002, _) => v4(b, c),
        // Tunnels, documentation, benchmarks.
        (0x2001, 0..0x200 | 0xdb8) => false,
        // Only 2000::/3 is given out.
        _ => (a & 0xe000) == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_network_are_public() {
        let check = |text: &str, public: bool| assert_eq!(is_public(text.parse().unwrap()), public, "{text}");
        for text in
            ["1.1.1.1", "100.63.0.1", "172.15.0.1", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::1"]
        {
            check(text, true);
        }
        for text in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "fc00::1",
            "fe80::1",
            "fd00:ec2::254",
            "ff02::1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2001:db8::1",
            "2001:0:1::1",
        ] {
            check(text, false);
        }
    }

    #[test]
    fn an_address_is_shown_without_what_is_secret_of_it() {
        let checked = check("slack", "https://hooks.slack.test/services/T0/B0/secret?x=y", false).unwrap();
        assert_eq!(checked.shown, "https://hooks.slack.test/…");
        assert_eq!(check("email", " ada@acme.example ", false).unwrap().shown, "ada@acme.example");
    }

    #[test]
    fn what_may_not_be_reached_is_refused_before_it_is_stored() {
        for wrong in [
            "hooks.example",
            "ftp://hooks.example/x",
            "file:///etc/passwd",
            "https://user:pass@hooks.example/x",
            "http://127.0.0.1/x",
            "http://2130706433/x",
            "http://0x7f.1/x",
            "http://[::1]/x",
            "http://localhost:1/x",
            "http://a.localhost/x",
            "http://169.254.169.254/latest/meta-data",
        ] {
            assert!(check("webhook", wrong, false).is_err(), "{wrong}");
        }
        assert!(check("webhook", "http://127.0.0.1:9/x", true).is_ok());
        for wrong in ["ada", "ada@", "ada@acme.example\r\nBcc: x@y.z", "a b@c.d", "Ada <ada@acme.example>"] {
            assert!(check("email", wrong, true).is_err(), "{wrong}");
        }
    }
}
