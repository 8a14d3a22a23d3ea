//! The credentials under which the product acts at the GitHub twin, given to it as people would on GitHub's pages.

use anyhow::Context as _;
use secrecy::SecretString;
use serde::Deserialize;

use super::github::{APP, InstallOn, Permissions, TokenKind, Twin};

/// The manifest that people register the App with; the twin grants what it asks for.
const MANIFEST: &str = include_str!("../../deploy/github-app-manifest.json");
/// The person whose token it is, where the product acts with one.
const OWNER: &str = "ada";

/// The owner of the repositories that were adopted from this machine.
const ADOPTED: &str = "local";

/// A kind of credential for the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acting {
    /// As a GitHub App.
    App,
    /// With a person's fine-grained token.
    FineGrained,
    /// With a person's classic token.
    Classic,
    /// With the token of GitHub Actions.
    Actions,
}

/// A credential, as the environment of the product would hold it.
#[derive(Debug, Clone)]
pub enum Given {
    /// `GITHUB_APP_ID` and `GITHUB_APP_PRIVATE_KEY`.
    App {
        /// The App's id.
        id: String,
        /// Its key, in PEM.
        key: SecretString,
    },
    /// `GITHUB_TOKEN`.
    Token(SecretString),
}

#[derive(Deserialize)]
struct Manifest {
    default_permissions: Permissions,
    default_events: Vec<String>,
}

/// What the manifest asks for.
///
/// # Errors
/// When the manifest has another form.
pub fn app_permissions() -> anyhow::Result<Permissions> {
    Ok(manifest()?.default_permissions)
}

fn manifest() -> anyhow::Result<Manifest> {
    serde_json::from_str(MANIFEST).context("read the App's manifest")
}

/// Gives the product a credential for a repository that the twin has. An App is installed on all repositories of
/// the owner, also those to come.
///
/// # Errors
/// When the twin refuses it.
pub fn give(twin: &Twin, acting: Acting, repository: &str) -> anyhow::Result<Given> {
    let owner = repository.split('/').next().unwrap_or_default();
    let token = |kind| Ok(Given::Token(twin.issue_token(kind)?.into()));
    match acting {
        Acting::App => {
            let app = twin.register_app(APP)?;
            twin.subscribe(app.id, &manifest()?.default_events)?;
            for owner in [owner, ADOPTED] {
                twin.install(app.id, &InstallOn::Owner(owner.to_owned()), &app_permissions()?)?;
            }
            Ok(Given::App { id: app.id.to_string(), key: app.private_key_pem.into() })
        }
        Acting::FineGrained => {
            twin.set_permission(repository, OWNER, "write")?;
            // GitHub has no permission for check runs that such a token could have.
            let permissions = app_permissions()?.into_iter().filter(|(name, _)| name != "checks").collect();
            let repositories = vec![repository.to_owned()];
            token(TokenKind::FineGrained { login: OWNER.to_owned(), permissions, repositories })
        }
        Acting::Classic => {
            twin.set_permission(repository, OWNER, "write")?;
            token(TokenKind::Classic { login: OWNER.to_owned(), scopes: vec!["repo".to_owned()] })
        }
        Acting::Actions => token(TokenKind::Actions { repository: repository.to_owned(), permissions: None }),
    }
}
