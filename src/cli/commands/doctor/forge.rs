//! What `aspora doctor` says of GitHub: for each product what our credential may do, and what its base branch demands.

use std::{fmt::Write as _, time::Duration};

use anyhow::Context as _;
use serde::Serialize;

use crate::{
    cli::{settings::Settings, text::plain},
    core::requirement::RepoName,
    github::{self, Forge, Gravity, Remark},
    store::{self, Pool},
};

/// How long one call may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// What was found about one product.
#[derive(Debug, Serialize)]
pub(super) struct Inspected {
    product: String,
    repository: String,
    remarks: Vec<Remark>,
}

impl Inspected {
    pub(super) fn is_healthy(&self) -> bool {
        self.remarks.iter().all(|remark| remark.gravity <= Gravity::Note)
    }
}

/// Asks GitHub about every product; `has_schema` says whether the database holds any.
pub(super) async fn inspect(
    pool: &Pool,
    has_schema: bool,
    text: &mut String,
) -> anyhow::Result<Vec<Inspected>> {
    let Some(github) = Settings::from_env()?.github else {
        text.push_str("note GitHub is not asked: neither GITHUB_APP_ID nor GITHUB_TOKEN is set\n");
        return Ok(Vec::new());
    };
    let timeouts = github::Timeouts { total: PATIENCE, ..github::Timeouts::default() };
    let (api_url, credential) = (github.api_url, github.credential);
    let forge = Forge::new(github::Config { api_url, credential, timeouts })?;
    let products = match has_schema {
        true => store::product::list(pool).await.context("read the products")?,
        false => Vec::new(),
    };
    if products.is_empty() {
        text.push_str("note GitHub is not asked: there is no product\n");
    }
    let mut all = Vec::new();
    for product in products {
        let repository: RepoName =
            product.repository.parse().with_context(|| format!("read the product {}", product.name))?;
        let method = product.merge_method.parse();
        let method = method.with_context(|| format!("read the product {}", product.name))?;
        let name = product.name.parse().with_context(|| format!("read the product {}", product.name))?;
        let (of_policy, method) =
            forge.inspect_policy(&repository, &product.base_branch, &name, method).await;
        let mut remarks = forge.inspect(&repository, &product.base_branch, method).await;
        remarks.extend(of_policy);
        remarks.extend(forge.inspect_checks(&repository, &product.base_branch, &name, None).await);
        let pushed =
            store::effect::last_push(pool, &product.repository).await.context("read the last push")?;
        if let Some(pushed_at) = pushed {
            remarks.extend(forge.inspect_silence(pushed_at).await);
        }
        let _ = writeln!(text, "product {} ({repository})", product.name);
        remarks.iter().for_each(|remark| describe(remark, text));
        all.push(Inspected { product: product.name, repository: product.repository, remarks });
    }
    Ok(all)
}

fn describe(remark: &Remark, text: &mut String) {
    let mark = match remark.gravity {
        Gravity::Fine => "ok  ",
        Gravity::Note => "note",
        Gravity::Bad | Gravity::Fatal => "BAD ",
    };
    let _ = writeln!(text, "{mark} {}", plain(&remark.what));
}
