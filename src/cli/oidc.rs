//! The identity provider, from the environment.

use anyhow::{Context as _, bail, ensure};

use crate::{
    core::access::Role,
    http::{OidcConfig, OidcProvider},
};

/// How we are registered at the identity provider; `None` if none is set up.
///
/// # Errors
/// Names the variable that is missing or invalid.
pub(super) fn config(get: &impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<OidcConfig>> {
    let Some(issuer) = get("ASPORA_OIDC_ISSUER") else {
        for name in ["CLIENT_ID", "CLIENT_SECRET", "CLAIM", "DEFAULT_ROLE"] {
            ensure!(
                get(&format!("ASPORA_OIDC_{name}")).is_none(),
                "ASPORA_OIDC_{name} is set, but ASPORA_OIDC_ISSUER is not; set it to a URL such as \
                 https://accounts.google.com"
            );
        }
        return Ok(None);
    };
    let client_id = get("ASPORA_OIDC_CLIENT_ID")
        .context("ASPORA_OIDC_ISSUER is set, but ASPORA_OIDC_CLIENT_ID is not")?;
    let config = OidcConfig {
        issuer,
        client_id,
        client_secret: get("ASPORA_OIDC_CLIENT_SECRET")
            .context("ASPORA_OIDC_ISSUER is set, but ASPORA_OIDC_CLIENT_SECRET is not")?
            .into(),
        claim: get("ASPORA_OIDC_CLAIM").unwrap_or_else(|| "email".to_owned()),
        default_role: default_role(get)?,
    };
    OidcProvider::new(config.clone()).context("ASPORA_OIDC_ISSUER")?;
    Ok(Some(config))
}

/// Nobody gets the rights of an engineer or an admin without being named.
fn default_role(get: &impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<Role>> {
    match get("ASPORA_OIDC_DEFAULT_ROLE").as_deref() {
        None => Ok(None),
        Some("viewer") => Ok(Some(Role::Viewer)),
        Some("pm") => Ok(Some(Role::Pm)),
        Some(other) => bail!("ASPORA_OIDC_DEFAULT_ROLE is `{other}`; expected viewer or pm, or nothing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<OidcConfig>, String> {
        let get = |name: &str| {
            let name = name.strip_prefix("ASPORA_OIDC_")?;
            pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        config(&get).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_provider_is_an_issuer_a_client_and_its_secret() {
        let good = [("ISSUER", "https://id.example"), ("CLIENT_ID", "c"), ("CLIENT_SECRET", "s")];
        let config = read(&good).unwrap().unwrap();
        assert_eq!((config.claim.as_str(), config.default_role), ("email", None));
        assert!(read(&[]).unwrap().is_none());
        let pm = [&good[..], &[("DEFAULT_ROLE", "pm")]].concat();
        assert_eq!(read(&pm).unwrap().unwrap().default_role, Some(Role::Pm));
    }

    #[test]
    fn what_is_missing_or_unsafe_is_named() {
        let check = |pairs: &[(&str, &str)], words: &str| {
            let error = read(pairs).unwrap_err();
            assert!(error.contains(words), "{error}");
        };
        let open = [("ISSUER", "http://id.example"), ("CLIENT_ID", "c"), ("CLIENT_SECRET", "s")];
        check(&open, "must be an https:// URL");
        check(&[("CLIENT_ID", "c")], "ASPORA_OIDC_ISSUER is not");
        check(&[("ISSUER", "https://id.example")], "ASPORA_OIDC_CLIENT_ID is not");
        check(&[("ISSUER", "https://id.example"), ("CLIENT_ID", "c")], "ASPORA_OIDC_CLIENT_SECRET is not");
        let admin = [
            ("ISSUER", "https://id.example"),
            ("CLIENT_ID", "c"),
            ("CLIENT_SECRET", "s"),
            ("DEFAULT_ROLE", "admin"),
        ];
        check(&admin, "expected viewer or pm");
    }
}
