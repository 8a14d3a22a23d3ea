//! The few questions and acts for which REST has no route.

use http::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    Account, Error, Forge, Kind,
    call::{Answer, Outgoing},
    credentials::Scope,
};
use crate::core::requirement::RepoName;

const ROUTE: &str = "/graphql";
const CALL: &str = "POST /graphql";

/// A query or mutation, as GitHub takes it.
#[derive(Serialize)]
struct Document<'a, V> {
    query: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<V>,
}

/// An answer, which may hold errors although its status is 200; a field that failed is null in its data.
#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    data: Value,
    #[serde(default)]
    errors: Vec<Complaint>,
}

/// One error of an answer.
#[derive(Deserialize)]
struct Complaint {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    message: String,
}

impl Reply {
    /// The data, or the errors as one of the first one's kind.
    fn data<T: DeserializeOwned>(self) -> Result<T, Error> {
        if let Some(first) = self.errors.first() {
            let messages: Vec<_> = self.errors.iter().map(|error| error.message.as_str()).collect();
            return Err(Error::of_graphql(CALL, first.kind(), &messages.join("; ")));
        }
        serde_json::from_value(self.data).map_err(|error| {
            Error::unreadable(CALL.to_owned(), &format!("the answer is not as expected: {error}"))
        })
    }
}

impl Complaint {
    /// GitHub's types of errors are not documented: these were seen. `STALE_DATA` and its words:
    /// donaldgifford/repo-guardian, 2026-10-09.
    fn kind(&self) -> Kind {
        match self.kind.as_str() {
            "STALE_DATA" => Kind::Conflict,
            "NOT_FOUND" => Kind::NotFound,
            "RATE_LIMITED" => Kind::RateLimited,
            "UNPROCESSABLE" => Kind::Validation,
            // Errors of the document itself have no type.
            _ => Kind::Forbidden,
        }
    }
}

impl Forge {
    /// The account that a token acts as.
    pub(super) async fn viewer(&self) -> Result<Account, Error> {
        #[derive(Deserialize)]
        struct Data {
            viewer: Viewer,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Viewer {
            login: String,
            database_id: u64,
        }
        let question = Document { query: "query { viewer { login databaseId } }", variables: None::<()> };
        let answer = self.as_itself(&Method::POST, ROUTE, Some(&question)).await?;
        let Data { viewer } = data(answer)?;
        let is_bot = viewer.login.ends_with("[bot]");
        Ok(Account { id: viewer.database_id, login: viewer.login, is_bot })
    }

    /// Sends a query or mutation about one repository.
    pub(super) async fn ask_about<T: DeserializeOwned>(
        &self,
        repo: &RepoName,
        query: &str,
        variables: impl Serialize,
    ) -> Result<T, Error> {
        let document = Document { query, variables: Some(variables) };
        let (method, body) = (&Method::POST, Some(&document));
        let outgoing = Outgoing { method, route: ROUTE, body, also: &[], call: CALL };
        let answer = Box::pin(self.authorized(&outgoing, &Scope::Repository(repo.clone()))).await?;
        data(answer).map_err(|error| self.limited(error))
    }
}

fn data<T: DeserializeOwned>(answer: Answer) -> Result<T, Error> {
    answer.json::<Reply>()?.data()
}
