//! What the routes and the pages ask of a policy: its faults, how it fits a product's repository, and what it would have
//! said. Nothing is changed by any of it but this server's copy of the repository, which is fetched.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    AppState,
    middleware::{caller::Caller, error::Error, problem::Kind},
};
use crate::{
    activities::{policy_today, try_policy},
    api::{PolicySimulation, Validation},
    core::{
        policy::{POLICY_LIMIT, Policy, Trial, lint},
        requirement::{ProductName, RepoName},
        sha::Sha,
    },
    github::Gravity,
    store::{self, product::Product},
    workspace::{self, Mirror},
};

/// The most changes of one simulation.
pub(crate) const MOST_CHANGES: usize = 1_000;
/// How many simulations one server runs at once; another is refused, to be sent again.
const AT_ONCE: usize = 2;
/// How long a repository is fetched before the request is refused. The next one goes on with what was fetched.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the forge is asked about checks.
const FORGE_PATIENCE: Duration = Duration::from_secs(20);

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

/// A product that a caller may see, with the others of its repository.
pub(crate) struct Place {
    pub(crate) product: Product,
    pub(crate) name: ProductName,
    repository: RepoName,
    products: Vec<ProductName>,
}

impl Place {
    /// The product of this name, if it is one of the caller's.
    pub(crate) async fn find(app: &AppState, caller: &Caller, name: &str) -> Result<Self, Error> {
        let unknown = || {
            Error::new(Kind::UnknownProduct, format!("there is no product `{name}`"))
                .at("/product", "is not a product here")
        };
        let all = store::product::list(app.engine.pool()).await?;
        let known = all.iter().find(|product| product.name == name && caller.has(name)).cloned();
        let product = known.ok_or_else(unknown)?;
        let (Ok(name), Ok(repository)) = (product.name.parse(), product.repository.parse()) else {
            return Err(Error::internal());
        };
        let others = all.iter().filter(|other| {
            other.repository.eq_ignore_ascii_case(&product.repository) && other.name != product.name
        });
        let others = others.filter_map(|other| other.name.parse().ok());
        let products = std::iter::once(ProductName::clone(&name)).chain(others).collect();
        Ok(Self { product, name, repository, products })
    }

    /// The repository.
    pub(crate) const fn repository(&self) -> &RepoName {
        &self.repository
    }

    pub(crate) fn mirror(&self, app: &AppState) -> Result<Mirror, Error> {
        let none = || Error::new(Kind::Unavailable, "this server has no access to repositories");
        Ok(app.settings.workspaces.as_ref().ok_or_else(none)?.mirror(&self.repository))
    }

    /// The newest commit of the base branch, fetched.
    pub(crate) async fn newest(&self, mirror: &Mirror) -> Result<Sha, Error> {
        let fetched = tokio::time::timeout(PATIENCE, mirror.fetch()).await;
        let late = || {
            let seconds = PATIENCE.as_secs();
            let what = format!("{} was not fetched within {seconds} s; send it again", self.repository);
            Error::new(Kind::Unavailable, what)
        };
        fetched.map_err(|_| late())?.map_err(|error| self.unreadable(&error))?;
        let branch = &self.product.base_branch;
        let newest = mirror.branch(branch).await.map_err(|error| self.unreadable(&error))?;
        newest.ok_or_else(|| {
            Error::field("/product", format!("its repository {} has no branch `{branch}`", self.repository))
        })
    }

    pub(crate) fn unreadable(&self, error: &workspace::Error) -> Error {
        tracing::warn!(%error, "{} could not be read", self.repository);
        Error::new(Kind::Unavailable, format!("{} cannot be read now: {error}", self.repository))
    }
}

/// Today's policy of a product, as far as this server has fetched its repository; `None` if it has not, or there is none.
pub(crate) async fn text_today(app: &AppState, place: &Place) -> Option<String> {
    let mirror = place.mirror(app).ok()?;
    let newest = mirror.branch(&place.product.base_branch).await.ok()??;
    mirror.policy(&newest).await.ok()?
}

/// Everything that is wrong or odd about a policy, and how it fits a product's repository if one is named.
pub(crate) async fn validate(app: &AppState, text: &str, place: Option<&Place>) -> Result<Validation, Error> {
    use sha2::{Digest as _, Sha256};
    let mut found = Validation::of(hex::encode(Sha256::digest(text.as_bytes())), lint(text.as_bytes()));
    if let (Some(place), Ok(policy)) = (place, Policy::parse(text.as_bytes())) {
        let _turn = turn()?;
        let mirror = place.mirror(app)?;
        let newest = place.newest(&mirror).await?;
        let files = mirror.paths(&newest).await.map_err(|error| place.unreadable(&error))?;
        found.misfits = policy.unmatched_of(std::slice::from_ref(&place.name), &files);
        if !policy.products().any(|name| *name == place.name) {
            found.misfits.push(format!(
                "{}: the policy does not name this product: all of its products judge it",
                place.name
            ));
        }
        found.misfits.extend(of_the_forge(app, place, &policy).await);
    }
    Ok(found)
}

async fn of_the_forge(app: &AppState, place: &Place, policy: &Policy) -> Vec<String> {
    let Some(forge) = &app.settings.forge else { return Vec::new() };
    let branch = &place.product.base_branch;
    let asked = forge.inspect_checks(&place.repository, branch, &place.name, Some(policy));
    match tokio::time::timeout(FORGE_PATIENCE, asked).await {
        Ok(remarks) => {
            remarks.into_iter().filter(|it| it.gravity > Gravity::Fine).map(|it| it.what).collect()
        }
        Err(_) => vec!["the forge did not say in time which checks are reported".to_owned()],
    }
}

/// What a policy would have said of the newest changes of a product's base branch, beside today's one.
pub(crate) async fn simulate(
    app: &AppState,
    caller: &Caller,
    text: &str,
    place: &Place,
    last: usize,
) -> Result<PolicySimulation, Error> {
    if !(1..=MOST_CHANGES).contains(&last) {
        return Err(Error::field("/last", format!("must be from 1 to {MOST_CHANGES}")));
    }
    if text.len() > POLICY_LIMIT {
        return Err(Error::field(
            "/policy",
            format!("has {} bytes; the limit is {POLICY_LIMIT}", text.len()),
        ));
    }
    let refused = |error: crate::core::policy::Error| Error::field("/policy", error.to_string());
    let tried = Trial::new(Some(text), &place.products).map_err(refused)?;
    let _turn = turn()?;
    let mirror = place.mirror(app)?;
    let head = place.newest(&mirror).await?;
    let unreadable = |error| place.unreadable(&error);
    let today = policy_today(&mirror, &head, &place.products).await.map_err(unreadable)?;
    let tried = try_policy(&mirror, &head, last, tried, today).await.map_err(unreadable)?;
    let mut all = PolicySimulation::of(&head, &tried.tried, &tried.today, tried.simulation);
    all.products.retain(|name| caller.has(name));
    Ok(all)
}

fn turn() -> Result<SemaphorePermit<'static>, Error> {
    let busy = format!("{AT_ONCE} policies are being tried on this server; send it again");
    TURNS.try_acquire().map_err(|_| Error::new(Kind::Unavailable, busy))
}
