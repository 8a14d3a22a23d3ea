//! Stand-ins for the services that a factory needs, in one folder.
//!
//! The caller says which are needed; a service that is configured needs no stand-in.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::{
    acting::{Acting, Given, give},
    ci::{Ci, product_ci},
    evidence::EvidenceInbox,
    github::{Adopted, Twin, TwinConfig, Webhook},
    model::{Script, ScriptedModel},
    people::{self, Person},
    postgres::Cluster,
    product, showcase,
};
use crate::{
    core::requirement::{ProductName, RepoName},
    workspace::{Sandbox, Unavailable},
};

/// The embedded product's name and repository.
const WEALTH: (&str, &str) = ("wealth", "acme/wealth-product");
/// How often it is checked that the embedded Postgres runs.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);
/// The name of the database in the embedded cluster.
const DATABASE: &str = "aspora";

/// Which stand-ins to start.
#[derive(Debug, Clone, Copy)]
pub struct Needs {
    /// The embedded Postgres.
    pub database: bool,
    /// The GitHub twin, at this port; 0 for any free one.
    pub forge: Option<u16>,
    /// The scripted model.
    pub model: bool,
}

/// The stand-ins that were started. They stop when this is dropped; the folder is kept.
pub struct StandIns {
    cluster: Option<Arc<Cluster>>,
    twin: Option<Twin>,
    model: Option<ScriptedModel>,
    evidence: EvidenceInbox,
    token: SecretString,
    webhook_secret: SecretString,
}

impl StandIns {
    /// Starts what is needed in `folder`, with the data that earlier ones left there. The twin sends webhooks to
    /// `webhook_url`.
    ///
    /// # Errors
    /// When one cannot start; the message says what to install or which address to free.
    pub async fn start(
        folder: &Path,
        needs: Needs,
        webhook_url: String,
        sandbox: Result<Sandbox, Unavailable>,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("create the folder {}", folder.display()))?;
        let secret = || SecretString::from(Uuid::new_v4().simple().to_string());
        let (token, webhook_secret) = (secret(), secret());
        let cluster = match needs.database {
            true => Some(watched(cluster(folder).await?)),
            false => None,
        };
        let evidence = EvidenceInbox::default();
        let twin = match needs.forge {
            Some(port) => {
                let webhook = Webhook { url: webhook_url, secret: webhook_secret.expose_secret().to_owned() };
                Some(twin(folder, port, webhook, product_ci(sandbox, evidence.clone())).await?)
            }
            None => None,
        };
        let model = match needs.model {
            true => Some(ScriptedModel::start(any_port(), script()?, Some(token.clone())).await?),
            false => None,
        };
        Ok(Self { cluster, twin, model, evidence, token, webhook_secret })
    }

    /// The URL of the embedded database.
    #[must_use]
    pub fn database_url(&self) -> Option<String> {
        self.cluster.as_ref().map(|cluster| cluster.url(DATABASE))
    }

    /// The GitHub twin.
    #[must_use]
    pub const fn twin(&self) -> Option<&Twin> {
        self.twin.as_ref()
    }

    /// Where the twin's CI sends the evidence of flows.
    #[must_use]
    pub const fn evidence(&self) -> &EvidenceInbox {
        &self.evidence
    }

    /// The token that the scripted model accepts.
    #[must_use]
    pub const fn token(&self) -> &SecretString {
        &self.token
    }

    /// The secret with which the twin signs webhooks.
    #[must_use]
    pub const fn webhook_secret(&self) -> &SecretString {
        &self.webhook_secret
    }

    /// The scripted model.
    #[must_use]
    pub const fn model(&self) -> Option<&ScriptedModel> {
        self.model.as_ref()
    }

    /// Creates the repository of the Wealth product on the twin; returns the name and repository to register.
    ///
    /// # Errors
    /// When the twin cannot create the repository.
    pub async fn wealth(&self) -> anyhow::Result<(ProductName, RepoName)> {
        if let Some(twin) = &self.twin {
            twin.create_repository(WEALTH.1, &product::wealth())
                .await
                .context("create the repository of the Wealth product")?;
            people::admit(twin, WEALTH.1)?;
        }
        Ok((WEALTH.0.parse()?, WEALTH.1.parse()?))
    }

    /// The people of the twin, none if it does not run.
    ///
    /// # Errors
    /// When their passwords cannot be kept.
    pub fn people(&self) -> anyhow::Result<Vec<Person>> {
        self.twin.as_ref().map_or_else(|| Ok(Vec::new()), people::people)
    }

    /// Gives the product a credential at the twin, for the repository of the Wealth product. With a fine-grained token
    /// the repository is public: such a token may not read the check runs of a private one, and no run would end.
    ///
    /// # Errors
    /// When the twin does not run, or lacks that repository.
    pub fn give(&self, acting: Acting) -> anyhow::Result<Given> {
        let twin = self.twin.as_ref().context("the GitHub twin does not run")?;
        if acting == Acting::FineGrained {
            twin.set_private(WEALTH.1, false)?;
        }
        give(twin, acting, WEALTH.1)
    }

    /// Copies a git repository of this machine to the twin, and brings results back to it; returns the repository to
    /// register for the product.
    ///
    /// # Errors
    /// When the folder cannot be served as it is, or the forge is not the twin; the message says what to do.
    pub async fn adopt(&self, name: &ProductName, folder: &Path) -> anyhow::Result<(RepoName, Adopted)> {
        let twin = self.twin.as_ref().context(
            "--product needs the GitHub twin, which does not run while GITHUB_APP_ID or GITHUB_TOKEN is set",
        )?;
        let repository: RepoName = format!("local/{name}").parse()?;
        let adopted = twin
            .adopt_repository(&repository.to_string(), folder)
            .await
            .with_context(|| format!("serve {} as the repository of `{name}`", folder.display()))?;
        people::admit(twin, &repository.to_string())?;
        Ok((repository, adopted))
    }
}

/// The default command to run the tests of a product, here one in Python.
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

async fn twin(folder: &Path, port: u16, webhook: Webhook, ci: Ci) -> anyhow::Result<Twin> {
    let config = TwinConfig {
        data_dir: folder.join("forge"),
        addr: SocketAddr::from(([127, 0, 0, 1], port)),
        public_url: None,
        webhook: Some(webhook),
        ci: Some(ci),
    };
    let started = Twin::start(config).await;
    started.with_context(|| match port {
        0 => "start the GitHub twin".to_owned(),
        _ => format!("start the GitHub twin; if port {port} is taken, choose another with --forge-port"),
    })
}

/// Restarts the cluster if it stops.
fn watched(cluster: Cluster) -> Arc<Cluster> {
    let cluster = Arc::new(cluster);
    let watched = Arc::downgrade(&cluster);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(WATCH_INTERVAL).await;
            let Some(cluster) = watched.upgrade() else { return };
            let restarted = tokio::task::spawn_blocking(move || match cluster.pid() {
                Some(_) => Ok(()),
                None => {
                    tracing::warn!("the embedded Postgres has stopped; restarting it");
                    cluster.restart()
                }
            });
            if let Ok(Err(error)) = restarted.await {
                tracing::error!("the embedded Postgres cannot be restarted: {error:#}");
            }
        }
    });
    cluster
}

fn script() -> anyhow::Result<Script> {
    let file = |name: &str| product::script_file(name).map(str::to_owned);
    let embedded =
        Script::from_dir_text(product::SCRIPT, file).context("read the scripted model's script")?;
    Ok(showcase::script()?.before(embedded))
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
