//! Who is signed in at the pages. Sessions end with the twin, after half a day, and at sign-out.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, header};

use super::{apps::digest, tokens::letters};

/// Browsers send the cookies of one host to all of its ports, so it has a name that no other server here uses.
const COOKIE: &str = "aspora_twin_session";
const LENGTH: usize = 43;
/// In milliseconds.
const LIFE: i64 = 12 * 3_600_000;
/// The oldest ones end first.
const MOST: usize = 200;

/// All sessions, oldest first.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<Vec<Session>>);

struct Session {
    /// The digest of the cookie's token.
    digest: String,
    visitor: Visitor,
    /// Milliseconds since 1970.
    ends_at: i64,
}

/// A person who is signed in.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) login: String,
    /// What each form of theirs carries, so that no other page can send one for them.
    pub(crate) proof: String,
}

impl Sessions {
    /// Begins a session; the value of its `Set-Cookie`.
    pub(crate) fn begin(&self, login: &str, now: i64) -> String {
        let token = letters(LENGTH);
        let visitor = Visitor { login: login.to_owned(), proof: letters(LENGTH) };
        let mut sessions = self.lock();
        sessions.retain(|session| session.ends_at > now);
        let surplus = (sessions.len() + 1).saturating_sub(MOST);
        sessions.drain(..surplus);
        sessions.push(Session { digest: digest(&token), visitor, ends_at: now.saturating_add(LIFE) });
        format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}", LIFE / 1000)
    }

    /// Who sends a request, if they are signed in.
    pub(crate) fn of(&self, headers: &HeaderMap, now: i64) -> Option<Visitor> {
        let digest = digest(&token_in(headers)?);
        let sessions = self.lock();
        let found = sessions.iter().find(|session| session.digest == digest && session.ends_at > now);
        found.map(|session| session.visitor.clone())
    }

    /// Ends the session of a request; the value of the `Set-Cookie` that removes it.
    pub(crate) fn end(&self, headers: &HeaderMap) -> String {
        if let Some(token) = token_in(headers) {
            let digest = digest(&token);
            self.lock().retain(|session| session.digest != digest);
        }
        format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visitor {
    /// Whether a form carries the proof that a page of this visitor sent it.
    pub(crate) fn proves(&self, sent: &str) -> bool {
        digest(sent) == digest(&self.proof)
    }
}

fn token_in(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, token)| token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_by_itself_and_at_sign_out() {
        let sessions = Sessions::default();
        let set = sessions.begin("ines", 0);
        let headers: HeaderMap =
            [(header::COOKIE, format!("a=b; {}", set.split(';').next().unwrap()).parse().unwrap())]
                .into_iter()
                .collect();
        let login = |now| sessions.of(&headers, now).map(|visitor| visitor.login);
        assert_eq!(login(LIFE - 1).as_deref(), Some("ines"));
        assert_eq!(login(LIFE), None);
        let visitor = sessions.of(&headers, 1).unwrap();
        assert!(visitor.proves(&visitor.proof) && !visitor.proves(""));
        sessions.end(&headers);
        assert_eq!(login(1), None);
        assert_eq!(sessions.of(&HeaderMap::new(), 1).map(|it| it.login), None);
    }

    #[test]
    fn the_oldest_sessions_end_first() {
        let sessions = Sessions::default();
        (0..=MOST).for_each(|_| drop(sessions.begin("ines", 0)));
        assert_eq!(sessions.lock().len(), MOST);
    }
}
