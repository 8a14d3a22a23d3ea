//! Who may tell of incidents by webhooks.

use std::collections::BTreeMap;

use anyhow::Context as _;
use secrecy::SecretString;

use crate::{
    core::incident::Senders,
    http::{IncidentSender, SenderKind},
};

/// The variable with the client secret of Sentry's integration.
const SENTRY: &str = "ASPORA_SENTRY_SECRET";
/// The variable with the path of the file that describes other senders.
const OTHERS: &str = "ASPORA_INCIDENT_SENDERS";

/// Sentry, where its secret is set, and what the file of other senders describes.
///
/// # Errors
/// When the file cannot be read or is wrong, or a secret that it names is not set; names the variable.
pub(super) fn senders(
    get: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<BTreeMap<String, IncidentSender>> {
    let mut senders = BTreeMap::new();
    if let Some(secret) = get(SENTRY) {
        senders.insert("sentry".to_owned(), IncidentSender::sentry(SecretString::from(secret)));
    }
    let Some(path) = get(OTHERS) else { return Ok(senders) };
    let text = std::fs::read_to_string(&path).with_context(|| format!("read `{path}` ({OTHERS})"))?;
    let others = Senders::parse(&text).with_context(|| format!("`{path}` ({OTHERS})"))?;
    for (name, sender) in others.all() {
        let variable = &sender.secret_env;
        let secret = match (get(variable), get(&format!("{variable}_FILE"))) {
            (Some(_), Some(_)) => {
                anyhow::bail!("{variable} and {variable}_FILE are both set; unset one of them");
            }
            (Some(secret), None) => secret,
            (None, Some(file)) => std::fs::read_to_string(&file)
                .with_context(|| format!("read `{file}` ({variable}_FILE)"))?
                .trim()
                .to_owned(),
            (None, None) => String::new(),
        };
        anyhow::ensure!(
            !secret.is_empty(),
            "{variable} is not set; the sender `{name}` of `{path}` ({OTHERS}) signs with it"
        );
        let new = IncidentSender {
            header: sender.signature_header.to_ascii_lowercase(),
            prefix: sender.signature_prefix.clone(),
            secret: SecretString::from(secret),
            what: SenderKind::Mapped(sender.mapping.clone()),
        };
        senders.insert(name.to_owned(), new);
    }
    Ok(senders)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let get =
            |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        senders(get).map(|all| all.into_keys().collect()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn senders_need_their_file_to_be_right_and_their_secret_to_be_set() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        assert_eq!(read(&[]), Ok(vec![]));
        assert_eq!(read(&[(SENTRY, "s")]), Ok(vec!["sentry".to_owned()]));
        assert!(
            read(&[(OTHERS, "/none")]).unwrap_err().starts_with("read `/none` (ASPORA_INCIDENT_SENDERS): ")
        );
        std::fs::write(&file, include_str!("../../../deploy/incidents.toml")).unwrap();
        let unset = read(&[(OTHERS, path)]).unwrap_err();
        assert!(
            unset.starts_with("PAGERDUTY_WEBHOOK_SECRET is not set; the sender `pagerduty` of "),
            "{unset}"
        );
        let set = [(OTHERS, path), (SENTRY, "s"), ("PAGERDUTY_WEBHOOK_SECRET", "p")];
        assert_eq!(read(&set), Ok(vec!["pagerduty".to_owned(), "sentry".to_owned()]));
    }
}
