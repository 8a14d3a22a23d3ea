//! The people who can sign in at the twin. Their passwords are random and stay in the file `passwords` of its folder,
//! for this user alone, so that they are the same after a restart.

use std::{
    collections::BTreeMap,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::Context as _;

use super::{apps::digest, tokens::letters};

const FILE: &str = "passwords";
/// Nobody chooses a password and nobody has to type one: about 140 bits.
const LENGTH: usize = 24;

/// The passwords by login.
pub(crate) struct Members {
    file: PathBuf,
    passwords: Mutex<BTreeMap<String, String>>,
}

impl Members {
    /// Reads the passwords that an earlier twin left in its folder.
    pub(crate) fn open(data: &Path) -> anyhow::Result<Self> {
        let file = data.join(FILE);
        let text = match std::fs::read_to_string(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            read => read.with_context(|| format!("read {}", file.display()))?,
        };
        let pairs = text.lines().filter_map(|line| line.split_once(' '));
        let passwords = pairs.map(|(login, password)| (login.to_owned(), password.to_owned())).collect();
        Ok(Self { file, passwords: Mutex::new(passwords) })
    }

    /// The password of a login, which is made and kept if there is none yet.
    pub(crate) fn password_of(&self, login: &str) -> anyhow::Result<String> {
        let mut passwords = self.lock();
        if let Some(password) = passwords.get(login) {
            return Ok(password.clone());
        }
        let password = letters(LENGTH);
        let mut all = passwords.clone();
        all.insert(login.to_owned(), password.clone());
        self.save(&all)?;
        *passwords = all;
        Ok(password)
    }

    /// Whether a password is that of a login. Digests are compared, so that the time says nothing about the password.
    pub(crate) fn accepts(&self, login: &str, password: &str) -> bool {
        self.lock().get(login).is_some_and(|known| digest(known) == digest(password))
    }

    fn save(&self, passwords: &BTreeMap<String, String>) -> anyhow::Result<()> {
        let fresh = self.file.with_extension("new");
        let text: String =
            passwords.iter().map(|(login, password)| format!("{login} {password}\n")).collect();
        let mut open = std::fs::OpenOptions::new();
        let opened = open.write(true).create(true).truncate(true).mode(0o600).open(&fresh);
        opened
            .and_then(|mut opened| opened.write_all(text.as_bytes()))
            .and_then(|()| std::fs::rename(&fresh, &self.file))
            .with_context(|| format!("write {}", self.file.display()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.passwords.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_password_stays_the_same_and_is_for_this_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let members = Members::open(folder.path()).unwrap();
        let (ines, noor) = (members.password_of("ines").unwrap(), members.password_of("noor").unwrap());
        assert!(ines.len() == LENGTH && ines != noor);
        let again = Members::open(folder.path()).unwrap();
        assert_eq!(again.password_of("ines").unwrap(), ines);
        assert_eq!(std::fs::metadata(folder.path().join(FILE)).unwrap().mode() & 0o777, 0o600);
        let check = |login: &str, password: &str, fits| assert_eq!(again.accepts(login, password), fits);
        check("ines", &ines, true);
        check("ines", &noor, false);
        check("ines", "", false);
        check("nobody", "", false);
    }
}
