//! Accounts and apps: their logins, and the ids and commit addresses that are derived from them.

use sha2::{Digest as _, Sha256};

/// The login of the app whose token the twin accepts.
pub const BOT: &str = "aspora-coding-agent[bot]";
/// The slug of that app.
pub const APP: &str = "aspora-coding-agent";
/// The slug of the app under which the twin's own CI reports: that of GitHub Actions.
pub const CI_APP: &str = "github-actions";
/// The id of that app at github.com.
const CI_APP_ID: i64 = 15_368;
/// The slug of the App that GitHub Actions acts as.
pub(crate) const ACTIONS_APP: &str = CI_APP;

/// The address under which the app makes its commits.
const BOT_ADDRESS: &str = "bot@aspora.ai";
const NOREPLY: &str = "@users.noreply.github.com";

/// Who GitHub commits as, on its pages and for `createCommitOnBranch`.
pub(crate) const WEB_FLOW: (&str, &str) = ("GitHub", "noreply@github.com");

/// The id of a login; equal logins have equal ids in every twin.
pub(crate) fn user_id(login: &str) -> i64 {
    let digest = Sha256::digest(login.as_bytes());
    i64::from(u32::from_be_bytes([digest[0] >> 1, digest[1], digest[2], digest[3]]))
}

/// The id of an app, derived from its slug.
pub(crate) fn app_id(slug: &str) -> i64 {
    if slug == CI_APP { CI_APP_ID } else { user_id(slug) / 1000 }
}

/// The login under which an app acts.
pub(crate) fn bot_of(slug: &str) -> String {
    format!("{slug}[bot]")
}

/// The commit address by which the twin recognises a user.
pub(crate) fn address_of(login: &str) -> String {
    format!("{}+{login}{NOREPLY}", user_id(login))
}

/// The user whose commit address this is, if it is one.
pub(crate) fn login_of(address: &str) -> Option<String> {
    if address == BOT_ADDRESS {
        return Some(BOT.to_owned());
    }
    let name = address.strip_suffix(NOREPLY)?;
    name.split_once('+').map(|(_, login)| login.to_owned())
}
