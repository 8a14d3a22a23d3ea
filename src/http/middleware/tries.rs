//! How often a key may be guessed: failed sign-ins are counted for each address, and too many close the door for a while.
//!
//! Nobody guesses 256 bits; this keeps a form that anybody reaches from costing the database a query each time.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Failures of one address within [`WINDOW`].
const MOST: u32 = 10;
/// How long a failure counts.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered; beyond that the ones whose time is over are forgotten, and then new ones share one.
const REMEMBERED: usize = 10_000;

/// The failed tries of this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tries(Arc<Mutex<HashMap<IpAddr, Failures>>>);

#[derive(Debug, Clone, Copy)]
struct Failures {
    since: Instant,
    count: u32,
}

impl Tries {
    /// Whether an address may try now.
    pub(crate) fn may(&self, address: IpAddr, now: Instant) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&key(&all, address)).is_none_or(|it| it.count < MOST || now >= it.since + WINDOW)
    }

    /// Records that a try failed.
    pub(crate) fn failed(&self, address: IpAddr, now: Instant) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            all.retain(|_, it| now < it.since + WINDOW);
        }
        let address = key(&all, address);
        let entry = all.entry(address).or_insert(Failures { since: now, count: 0 });
        if now >= entry.since + WINDOW {
            *entry = Failures { since: now, count: 0 };
        }
        entry.count += 1;
    }
}

fn key(all: &HashMap<IpAddr, Failures>, address: IpAddr) -> IpAddr {
    let is_full = all.len() >= REMEMBERED && !all.contains_key(&address);
    if is_full { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { address }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_failures_close_the_door_for_a_minute() {
        let (tries, now) = (Tries::default(), Instant::now());
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for _ in 0..MOST {
            assert!(tries.may(one, now));
            tries.failed(one, now);
        }
        assert!(!tries.may(one, now) && tries.may(other, now));
        assert!(!tries.may(one, now + WINDOW - Duration::from_millis(1)));
        assert!(tries.may(one, now + WINDOW));
        tries.failed(one, now + WINDOW);
        assert!(tries.may(one, now + WINDOW), "the count begins again");
    }

    #[test]
    fn many_addresses_do_not_fill_the_memory() {
        let (tries, now) = (Tries::default(), Instant::now());
        for number in 0..20_000_u32 {
            tries.failed(IpAddr::from(number.to_be_bytes()), now);
        }
        assert!(tries.0.lock().unwrap().len() <= REMEMBERED + 1);
        assert!(!tries.may(IpAddr::from([198, 51, 100, 1]), now), "new addresses share one count");
        tries.failed(IpAddr::from([198, 51, 100, 1]), now + WINDOW);
        assert_eq!(tries.0.lock().unwrap().len(), 1);
    }
}
