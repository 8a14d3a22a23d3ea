//! Reading a run's effects: what it pushed, and as whom it reports checks.

use chrono::{DateTime, Utc};

use crate::{core::sha::Sha, store::effect};

/// What these effects pushed, oldest first, and when that was known.
pub(super) fn pushes(effects: &[effect::Row]) -> impl Iterator<Item = (&str, &effect::Row)> {
    effects.iter().filter(|effect| effect.kind == "push").filter_map(|effect| {
        let sha = effect.result.as_ref()?.get("sha")?.as_str()?;
        Some((sha, effect))
    })
}

/// When it was known that this head was pushed.
pub(super) fn pushed_at(effects: &[effect::Row], head: &Sha) -> Option<DateTime<Utc>> {
    pushes(effects).find(|(sha, _)| *sha == head.as_str()).and_then(|(_, effect)| effect.done_at)
}

/// The app under which the forge keeps the check runs that we made.
pub(super) fn our_app(effects: &[effect::Row]) -> Option<u64> {
    let made = effects.iter().filter(|effect| effect.kind == "check_run");
    made.filter_map(|effect| effect.result.as_ref()?.get("app_id")?.as_u64()).next()
}
