//! What a machine lacks of a factory's surroundings, put up in one folder.
//!
//! Whatever is real already (a database, a forge, a model) is left out: the caller says what it needs.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::{
    ci::product_ci,
    github::{Twin, TwinConfig, Webhook},
    model::{MODEL, Script, ScriptedModel},
    postgres::Cluster,
    product,
};
use crate::{
    core::requirement::{ProductName, RepoName},
    llm,
    workspace::{Sandbox, Unavailable},
};

/// The embedded product's name and repository.
const WEALTH: (&str, &str) = ("wealth", "acme/wealth-product");
/// How often the embedded Postgres is looked at.
const WATCH: Duration = Duration::from_millis(500);
/// The database's name in the embedded cluster.
const DATABASE: &str = "aspora";

/// What is to be put up.
#[derive(Debug, Clone, Copy)]
pub struct Needs {
    /// A Postgres of our own.
    pub database: bool,
    /// The GitHub twin.
    pub forge: bool,
    /// The scripted model.
    pub model: bool,
}

/// What was put up. It goes when this is dropped; the folder stays.
pub struct StandIns {
    cluster: Option<Arc<Cluster>>,
    twin: Option<Twin>,
    model: Option<ScriptedModel>,
    token: SecretString,
    webhook_secret: SecretString,
}

impl StandIns {
    /// Puts up what is needed in `folder`, on from where an earlier one there stopped. Webhooks of the
    /// twin go to `webhook_url`.
    ///
    /// # Errors
    /// When a part cannot start; the message says what to install or to free.
    pub async fn up(
        folder: &Path,
        needs: Needs,
        webhook_url: String,
        sandbox: Result<Sandbox, Unavailable>,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
        let secret = || SecretString::from(Uuid::new_v4().simple().to_string());
        let (token, webhook_secret) = (secret(), secret());
        let cluster = match needs.database {
            true => Some(watched(cluster(folder).await?)),
            false => None,
        };
        let twin = match needs.forge {
            true => {
                let config = TwinConfig {
                    data_dir: folder.join("forge"),
                    addr: any_port(),
                    public_url: None,
                    token: token.expose_secret().to_owned(),
                    webhook: Some(Webhook {
                        url: webhook_url,
                        secret: webhook_secret.expose_secret().to_owned(),
                    }),
                    ci: Some(product_ci(sandbox)),
                };
                Some(Twin::start(config).await.context("start the GitHub twin")?)
            }
            false => None,
        };
        let model = match needs.model {
            true => Some(ScriptedModel::start(any_port(), script()?, Some(token.clone())).await?),
            false => None,
        };
        Ok(Self { cluster, twin, model, token, webhook_secret })
    }

    /// The embedded database's URL.
    #[must_use]
    pub fn database_url(&self) -> Option<String> {
        self.cluster.as_ref().map(|cluster| cluster.url(DATABASE))
    }

    /// The twin.
    #[must_use]
    pub const fn twin(&self) -> Option<&Twin> {
        self.twin.as_ref()
    }

    /// The token that the twin accepts.
    #[must_use]
    pub const fn token(&self) -> &SecretString {
        &self.token
    }

    /// What the twin signs its webhooks with.
    #[must_use]
    pub const fn webhook_secret(&self) -> &SecretString {
        &self.webhook_secret
    }

    /// How to ask the scripted model.
    #[must_use]
    pub fn model(&self) -> Option<llm::Config> {
        self.model.as_ref().map(|model| llm::Config::new(&model.url(), self.token.clone(), MODEL))
    }

    /// Puts the embedded product onto the twin; what to register it as.
    ///
    /// # Errors
    /// When the twin cannot make the repository.
    pub async fn wealth(&self) -> anyhow::Result<(ProductName, RepoName)> {
        if let Some(twin) = &self.twin {
            twin.create_repository(WEALTH.1, &product::wealth())
                .await
                .context("lay out the Wealth product")?;
        }
        Ok((WEALTH.0.parse()?, WEALTH.1.parse()?))
    }

    /// Puts a git repository of this machine onto the twin as a product's; what to register it as.
    ///
    /// # Errors
    /// When the folder is no git repository with a branch `main`, or the forge is not the twin.
    pub async fn adopt(&self, name: &ProductName, folder: &Path) -> anyhow::Result<RepoName> {
        let twin =
            self.twin.as_ref().context("--product needs the GitHub twin; GITHUB_TOKEN switches it off")?;
        let repository: RepoName = format!("local/{name}").parse()?;
        twin.adopt_repository(&repository.to_string(), folder)
            .await
            .with_context(|| format!("serve {} as the repository of `{name}`", folder.display()))?;
        Ok(repository)
    }
}

/// The command that runs a Python product's tests; the embedded product's, and the default.
#[must_use]
pub fn unittest() -> Vec<String> {
    ["python3", "-m", "unittest", "discover", "-s", "tests", "-t", "."].map(str::to_owned).to_vec()
}

async fn cluster(folder: &Path) -> anyhow::Result<Cluster> {
    let folder = folder.join("postgres");
    let start = move || {
        let cluster = Cluster::start(&folder).context("start the embedded Postgres")?;
        cluster.create_database(DATABASE)?;
        anyhow::Ok(cluster)
    };
    tokio::task::spawn_blocking(start).await.context("start the embedded Postgres")?
}

/// Starts the cluster again should it die, for nobody else looks after it.
fn watched(cluster: Cluster) -> Arc<Cluster> {
    let cluster = Arc::new(cluster);
    let watched = Arc::downgrade(&cluster);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(WATCH).await;
            let Some(cluster) = watched.upgrade() else { return };
            let revived = tokio::task::spawn_blocking(move || match cluster.pid() {
                Some(_) => Ok(()),
                None => {
                    tracing::warn!("the embedded Postgres is gone; starting it again");
                    cluster.restart()
                }
            });
            if let Ok(Err(error)) = revived.await {
                tracing::error!("the embedded Postgres does not start again: {error:#}");
            }
        }
    });
    cluster
}

fn script() -> anyhow::Result<Script> {
    let file = |name: &str| product::script_file(name).map(str::to_owned);
    Script::from_dir_text(product::SCRIPT, file).context("read the scripted model's script")
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
