//! What a run's change is for, in words, and whose it is.

use uuid::Uuid;

use super::Failure;
use crate::{
    core::{judging::Judging, subject::Subject},
    store::{Pool, amendment, product, pull, requirement},
};

/// What a run's change is for.
#[derive(Debug, Clone)]
pub(super) struct Brief {
    /// The product, as prompts and comments name it.
    pub(super) product: String,
    /// What is wanted, in a line.
    pub(super) title: String,
    /// What is wanted, Markdown.
    pub(super) body: String,
    /// Whose pull request it is.
    pub(super) owner: Owner,
}

/// Whose pull request a run works on.
#[derive(Debug, Clone)]
pub(super) enum Owner {
    /// Ours, made for a requirement.
    Us {
        /// The requirement.
        requirement: Uuid,
        /// How often its text had been amended when it was read.
        edition: i32,
    },
    /// Of others.
    Others(Theirs),
}

/// A pull request that others opened, and what its product wants of it.
#[derive(Debug, Clone)]
pub(super) struct Theirs {
    /// What is stored of it.
    pub(super) pull: pull::Row,
    /// Whether it is judged, and whether the forge is shown that.
    pub(super) judging: Judging,
    /// Whether we merge it once it is cleared, without anybody asking.
    pub(super) merges: bool,
    /// Whether the product's tests run here on its head.
    pub(super) tests: bool,
}

impl Brief {
    /// Reads what a subject is for; `None` if it is gone.
    pub(super) async fn read(pool: &Pool, subject: Subject, product: &str) -> Result<Option<Self>, Failure> {
        match subject {
            Subject::Requirement(id) => Self::of_requirement(pool, id).await,
            Subject::Pull(id) => Self::of_pull(pool, id, product).await,
        }
    }

    async fn of_requirement(pool: &Pool, id: Uuid) -> Result<Option<Self>, Failure> {
        let Some(row) = requirement::get(pool, id).await? else { return Ok(None) };
        // In one statement, so that the text is that of the edition.
        let Some(text) = amendment::text(pool, id).await? else { return Ok(None) };
        let owner = Owner::Us { requirement: id, edition: text.edition };
        Ok(Some(Self { product: row.product, title: text.title, body: text.body, owner }))
    }

    async fn of_pull(pool: &Pool, id: Uuid, product: &str) -> Result<Option<Self>, Failure> {
        let Some(row) = pull::get(pool, id).await? else { return Ok(None) };
        let settings = product::get(pool, product).await?;
        let judging = settings.as_ref().map_or(Ok(Judging::Off), |it| it.judging.parse());
        let judging = judging.map_err(Failure::unusable)?;
        let (merges, tests) = settings.map_or((false, false), |it| (it.merges_theirs, it.tests_theirs));
        let (title, body) = (row.title.clone(), row.body.clone());
        let owner = Owner::Others(Theirs { pull: row, judging, merges, tests });
        Ok(Some(Self { product: product.to_owned(), title, body, owner }))
    }

    /// The requirement that asked for the change.
    pub(super) const fn requirement(&self) -> Option<Uuid> {
        match &self.owner {
            Owner::Us { requirement, .. } => Some(*requirement),
            Owner::Others(_) => None,
        }
    }

    /// How often the text had been amended when it was read. What others write on their own pull request is no amendment.
    pub(super) const fn edition(&self) -> i32 {
        match &self.owner {
            Owner::Us { edition, .. } => *edition,
            Owner::Others(_) => 0,
        }
    }

    /// The pull request that others opened.
    pub(super) const fn theirs(&self) -> Option<&Theirs> {
        match &self.owner {
            Owner::Us { .. } => None,
            Owner::Others(theirs) => Some(theirs),
        }
    }

    /// Whether nothing is said or done on the forge.
    pub(super) fn is_silent(&self) -> bool {
        self.theirs().is_some_and(|theirs| theirs.judging != Judging::On)
    }
}

impl Theirs {
    /// Who opened it, as people are shown it.
    pub(super) fn author(&self) -> &str {
        self.pull.author_login.as_deref().unwrap_or("ghost")
    }

    /// Why nothing of ours may be pushed to its branch, even where a person asks for it.
    pub(super) const fn not_pushed_to(&self) -> Option<&'static str> {
        match (self.pull.from_fork, self.judging) {
            (true, _) => Some("the branch is in another repository, to which we may not push"),
            (false, Judging::Shadow) => Some("the product only tries the judgement out: nothing is pushed"),
            (false, Judging::Off) => Some("the product does not judge the pull requests of others"),
            (false, Judging::On) => None,
        }
    }
}
