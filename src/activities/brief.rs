//! What a run's change is for, in words, and whose it is.

use uuid::Uuid;

use super::Failure;
use crate::{
    core::{judging::Judging, sha::Sha, subject::Subject, words::listed},
    store::{
        Pool, amendment, gap,
        judged_by::{self, JudgedBy},
        pull, requirement,
        run::RunSpec,
    },
};

/// What a run's change is for.
#[derive(Debug, Clone)]
pub(super) struct Brief {
    /// The products, in the order of their names: of a pull request of others, those by whose settings it is judged, or the
    /// run's own where there are none. Never empty.
    pub(super) products: Vec<String>,
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
    /// Ours, made for what was asked.
    Us(Asked),
    /// Of others.
    Others(Box<Theirs>),
}

/// What a change of ours is made for.
#[derive(Debug, Clone)]
pub(super) enum Asked {
    /// A requirement.
    Requirement {
        /// The requirement.
        id: Uuid,
        /// How often its text had been amended when it was read.
        edition: i32,
    },
    /// A harness gap.
    Gap(Box<gap::Row>),
}

/// A pull request that others opened, and what the products that it touches want of it.
#[derive(Debug, Clone)]
pub(super) struct Theirs {
    /// What is stored of it.
    pub(super) pull: pull::Row,
    /// By whose settings it is judged.
    pub(super) by: JudgedBy,
}

impl Brief {
    /// Reads what a run's subject is for; `None` if it is gone.
    pub(super) async fn read(pool: &Pool, spec: &RunSpec) -> Result<Option<Self>, Failure> {
        match spec.subject {
            Subject::Requirement(id) => Self::of_requirement(pool, id).await,
            Subject::Pull(id) => Self::of_pull(pool, id, spec).await,
            Subject::Gap(id) => Self::of_gap(pool, id).await,
        }
    }

    async fn of_requirement(pool: &Pool, id: Uuid) -> Result<Option<Self>, Failure> {
        let Some(row) = requirement::get(pool, id).await? else { return Ok(None) };
        // In one statement, so that the text is that of the edition.
        let Some(text) = amendment::text(pool, id).await? else { return Ok(None) };
        let owner = Owner::Us(Asked::Requirement { id, edition: text.edition });
        Ok(Some(Self { products: vec![row.product], title: text.title, body: text.body, owner }))
    }

    async fn of_gap(pool: &Pool, id: Uuid) -> Result<Option<Self>, Failure> {
        let Some(row) = gap::get(pool, id).await? else { return Ok(None) };
        let reported = [
            format!(
                "Incident of {}, reported by {}.",
                row.happened_at.format("%Y-%m-%d %H:%M UTC"),
                row.source
            ),
            row.body.clone(),
            row.url.iter().map(|url| format!("More: {url}")).collect(),
        ];
        let body = reported.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n");
        let (products, title) = (vec![row.product.clone()], row.title.clone());
        Ok(Some(Self { products, title, body, owner: Owner::Us(Asked::Gap(Box::new(row))) }))
    }

    async fn of_pull(pool: &Pool, id: Uuid, spec: &RunSpec) -> Result<Option<Self>, Failure> {
        let Some(row) = pull::get(pool, id).await? else { return Ok(None) };
        let by = judged_by::read(pool, &spec.repository, &spec.base_branch, row.products.as_deref()).await?;
        let (title, body) = (row.title.clone(), row.body.clone());
        let mut products: Vec<String> = by.products.iter().map(|it| it.name.clone()).collect();
        if products.is_empty() {
            products.push(spec.product.clone());
        }
        Ok(Some(Self { products, title, body, owner: Owner::Others(Box::new(Theirs { pull: row, by })) }))
    }

    /// The products, as comments name them.
    pub(super) fn named(&self) -> String {
        listed(&self.products)
    }

    /// The requirement that asked for the change.
    pub(super) const fn requirement(&self) -> Option<Uuid> {
        match &self.owner {
            Owner::Us(Asked::Requirement { id, .. }) => Some(*id),
            Owner::Us(Asked::Gap(_)) | Owner::Others(_) => None,
        }
    }

    /// The harness gap that the change is for.
    pub(super) fn gap(&self) -> Option<&gap::Row> {
        match &self.owner {
            Owner::Us(Asked::Gap(gap)) => Some(gap),
            Owner::Us(Asked::Requirement { .. }) | Owner::Others(_) => None,
        }
    }

    /// How often the text had been amended when it was read. What others write on their own pull request is no amendment.
    pub(super) const fn edition(&self) -> i32 {
        match &self.owner {
            Owner::Us(Asked::Requirement { edition, .. }) => *edition,
            Owner::Us(Asked::Gap(_)) | Owner::Others(_) => 0,
        }
    }

    /// The pull request that others opened.
    pub(super) fn theirs(&self) -> Option<&Theirs> {
        match &self.owner {
            Owner::Us(_) => None,
            Owner::Others(theirs) => Some(theirs),
        }
    }

    /// Whether nothing is said or done on the forge.
    pub(super) fn is_silent(&self) -> bool {
        self.theirs().is_some_and(|theirs| theirs.by.wanted.judging != Judging::On)
    }
}

impl Theirs {
    /// Who opened it, as people are shown it.
    pub(super) fn author(&self) -> &str {
        self.pull.author_login.as_deref().unwrap_or("ghost")
    }

    /// Whether we merge this head once it is cleared: all of its products have that, or a person asked for it.
    pub(super) fn is_merged_by_us(&self, head: &Sha) -> bool {
        let is_asked = self.pull.merge_head.as_deref() == Some(head.as_str());
        self.by.wanted.judging == Judging::On && (self.by.wanted.merges || is_asked)
    }

    /// Why nothing of ours may be pushed to its branch, even where a person asks for it.
    pub(super) const fn not_pushed_to(&self) -> Option<&'static str> {
        match (self.pull.from_fork, self.by.wanted.judging) {
            (true, _) => Some("the branch is in another repository, to which we may not push"),
            (false, Judging::Shadow) => Some("its products only try the judgement out: nothing is pushed"),
            (false, Judging::Off) => Some("no product that it touches judges the pull requests of others"),
            (false, Judging::On) => None,
        }
    }
}
