//! Who a request comes from: the one place that reads the `Authorization` header.

use base64::Engine as _;
use http::HeaderMap;

use super::accounts::BOT;

/// The credentials that the twin accepts: one token, the app's.
pub(crate) struct Credentials {
    token: String,
}

impl Credentials {
    pub(crate) const fn new(token: String) -> Self {
        Self { token }
    }

    /// The login of the caller: the app's, if the request carries its token as `Bearer`, `token`, or basic
    /// with any user name.
    pub(crate) fn login(&self, headers: &HeaderMap) -> Option<String> {
        let value = headers.get("authorization")?.to_str().ok()?;
        let known = match value.split_once(' ')? {
            ("Basic", code) => basic_password(code)? == self.token,
            (_, token) => token == self.token,
        };
        known.then(|| BOT.to_owned())
    }
}

fn basic_password(code: &str) -> Option<String> {
    let pair = base64::engine::general_purpose::STANDARD.decode(code).ok()?;
    String::from_utf8(pair).ok()?.split_once(':').map(|(_, password)| password.to_owned())
}
