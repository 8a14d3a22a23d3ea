//! The few queries for which REST has no route.

use http::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Account, Error, Forge};

/// A query, as GitHub takes it.
#[derive(Serialize)]
struct Query<'a> {
    query: &'a str,
}

/// An answer, which may hold errors although its status is 200.
#[derive(Deserialize)]
struct Reply<T> {
    data: Option<T>,
    #[serde(default)]
    errors: Vec<Complaint>,
}

#[derive(Deserialize)]
struct Complaint {
    #[serde(default)]
    message: String,
}

impl<T> Reply<T> {
    /// The data, or the errors as one.
    fn data(self, call: &str) -> Result<T, Error> {
        let complaints: Vec<_> = self.errors.into_iter().map(|error| error.message).collect();
        match self.data {
            Some(data) if complaints.is_empty() => Ok(data),
            _ => Err(Error::denied(call.to_owned(), &complaints.join("; "))),
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
        let Data { viewer } = self.ask_itself("query { viewer { login databaseId } }").await?;
        let is_bot = viewer.login.ends_with("[bot]");
        Ok(Account { id: viewer.database_id, login: viewer.login, is_bot })
    }

    async fn ask_itself<T: DeserializeOwned>(&self, query: &str) -> Result<T, Error> {
        let answer = self.as_itself(&Method::POST, "/graphql", Some(&Query { query })).await?;
        answer.json::<Reply<T>>()?.data("POST /graphql")
    }
}
