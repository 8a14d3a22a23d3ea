//! By which products' settings a pull request of others is judged.

use crate::core::judging::{Judging, Wanted, because, strictest};
use crate::store::{
    Result,
    product::{self, Product},
};

/// The products whose settings a pull request is judged by, and what they want of it together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedBy {
    /// The products of its repository and its base that it touches and that judge, by name.
    pub products: Vec<Product>,
    /// The strictest of what those want; off where there are none.
    pub wanted: Wanted,
    /// The names of all products of its repository and its base.
    pub registered: Vec<String>,
    /// The strictest of whether those judge, touched or not.
    pub anywhere: Judging,
}

impl JudgedBy {
    /// Of the products of a repository with one base, those of these names count; `None`: all of them.
    #[must_use]
    pub fn new(registered: Vec<Product>, touched: Option<&[String]>) -> Self {
        let names = registered.iter().map(|it| it.name.clone()).collect();
        let anywhere = registered.iter().map(Product::judges).max().unwrap_or_default();
        let is_touched = |it: &Product| touched.is_none_or(|touched| touched.contains(&it.name));
        let is_one = |it: &Product| it.judges() != Judging::Off && is_touched(it);
        let products: Vec<Product> = registered.into_iter().filter(is_one).collect();
        let wanted = strictest(&products.iter().map(Product::wanted).collect::<Vec<_>>());
        Self { products, wanted, registered: names, anywhere }
    }

    /// The names of the products.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.products.iter().map(|it| it.name.as_str()).collect()
    }

    /// Which of the products makes it stricter than another has it, and in what, for people.
    #[must_use]
    pub fn because(&self) -> Vec<String> {
        let all: Vec<_> = self.products.iter().map(|it| (it.name.as_str(), it.wanted())).collect();
        because(&all)
    }
}

/// By which products a pull request into this base is judged that touches those of these names; `None`: not known yet, so
/// that all count.
///
/// # Errors
/// When the database does not answer.
pub async fn read(
    executor: impl sqlx::PgExecutor<'_>,
    repository: &str,
    base_branch: &str,
    touched: Option<&[String]>,
) -> Result<JudgedBy> {
    Ok(JudgedBy::new(product::registered(executor, repository, base_branch).await?, touched))
}
