//! The environment, as settings are read from it: secrets may be in files, and all faults are kept.

use std::cell::RefCell;

use anyhow::{Context as _, bail};

/// The variables that hold a secret. Each may be in a file instead, which `<NAME>_FILE` names.
pub const SECRETS: [&str; 11] = [
    "DATABASE_URL",
    "ASPORA_OIDC_CLIENT_SECRET",
    "GITHUB_APP_PRIVATE_KEY",
    "GITHUB_TOKEN",
    "GITHUB_WEBHOOK_SECRET",
    "ASPORA_SENTRY_SECRET",
    "OPENAI_API_KEY",
    "ASPORA_FALLBACK_API_KEY",
    "ASPORA_SMTP_URL",
    "ASPORA_REVIEWER_KEYS",
    "ASPORA_API_KEY",
];

/// What is wrong with the settings so far.
#[derive(Default)]
pub(super) struct Faults {
    found: RefCell<Vec<String>>,
    /// Variables of which nothing more is said, because their file is what is wrong.
    unreadable: RefCell<Vec<&'static str>>,
}

impl Faults {
    /// The value of a setting, or its default while its fault is kept.
    pub(super) fn or<T>(&self, read: anyhow::Result<T>, default: T) -> T {
        read.unwrap_or_else(|error| {
            let fault = format!("{error:#}");
            if !self.unreadable.borrow().iter().any(|name| fault.contains(name)) {
                self.keep(fault);
            }
            default
        })
    }

    fn keep(&self, fault: String) {
        let mut found = self.found.borrow_mut();
        if !found.contains(&fault) {
            found.push(fault);
        }
    }

    /// # Errors
    /// All that was kept: one fault as it is, several as a list.
    pub(super) fn none(&self) -> anyhow::Result<()> {
        match self.found.borrow().as_slice() {
            [] => Ok(()),
            [one] => bail!("{one}"),
            all => bail!("{} settings are wrong:\n- {}", all.len(), all.join("\n- ")),
        }
    }

    /// The variables of `get`, where secrets are read from their files.
    pub(super) fn watch<'a>(
        &'a self,
        get: impl Fn(&str) -> Option<String> + 'a,
    ) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| match SECRETS.into_iter().find(|secret| *secret == name) {
            None => get(name),
            Some(name) => secret_of(&get, name).unwrap_or_else(|error| {
                self.keep(format!("{error:#}"));
                self.unreadable.borrow_mut().push(name);
                None
            }),
        }
    }
}

/// A secret of this process' environment.
///
/// # Errors
/// When it is set twice, or its file cannot be read; names the variable.
pub fn secret(name: &str) -> anyhow::Result<Option<String>> {
    secret_of(&variable, name)
}

/// A variable of this process' environment; one that is empty is not set.
pub(in crate::cli) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn secret_of(get: &impl Fn(&str) -> Option<String>, name: &str) -> anyhow::Result<Option<String>> {
    let file_name = format!("{name}_FILE");
    match (get(name), get(&file_name)) {
        (Some(_), Some(_)) => bail!("{name} and {file_name} are both set; unset one of them"),
        (Some(value), None) => Ok(Some(value)),
        (None, None) => Ok(None),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(&file);
            let text = text.with_context(|| format!("read `{file}` ({file_name})"))?;
            let text = text.trim();
            anyhow::ensure!(!text.is_empty(), "`{file}` ({file_name}) is empty");
            Ok(Some(text.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_in_its_variable_or_in_its_file_and_never_in_both() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let read = |pairs: &[(&str, &str)]| {
            let get = |name: &str| {
                pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            secret_of(&get, "OPENAI_API_KEY").map_err(|error| format!("{error:#}"))
        };
        assert_eq!(
            read(&[("OPENAI_API_KEY_FILE", path)]),
            Err(format!("`{path}` (OPENAI_API_KEY_FILE) is empty"))
        );
        std::fs::write(&file, "sk-1\n").unwrap();
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("OPENAI_API_KEY", "sk-2")]), Ok(Some("sk-2".to_owned())));
        assert_eq!(read(&[("OPENAI_API_KEY_FILE", path)]), Ok(Some("sk-1".to_owned())));
        let both = read(&[("OPENAI_API_KEY_FILE", path), ("OPENAI_API_KEY", "sk-2")]).unwrap_err();
        assert_eq!(both, "OPENAI_API_KEY and OPENAI_API_KEY_FILE are both set; unset one of them");
        let none = read(&[("OPENAI_API_KEY_FILE", "/none")]).unwrap_err();
        assert!(none.starts_with("read `/none` (OPENAI_API_KEY_FILE): "), "{none}");
    }

    #[test]
    fn one_fault_is_said_as_it_is_and_several_as_a_list() {
        let faults = Faults::default();
        faults.none().unwrap();
        assert_eq!(faults.or(Err(anyhow::anyhow!("A is wrong")), 7), 7);
        assert_eq!(faults.none().unwrap_err().to_string(), "A is wrong");
        faults.or(Err(anyhow::anyhow!("A is wrong")), 7);
        faults.or(Err(anyhow::anyhow!("B is wrong")), 7);
        assert_eq!(
            faults.none().unwrap_err().to_string(),
            "2 settings are wrong:\n- A is wrong\n- B is wrong"
        );
    }
}
