//! The person of every test database, an admin, and requests in that person's name.

use aspora::{
    core::access::{Key, Role},
    store::api_key,
};
use sqlx::PgPool;
use uuid::Uuid;

/// The name that histories show.
pub(crate) const PERSON: &str = "ada";

/// The person's key, the same in every test database.
pub(crate) fn key() -> Key {
    let mut byte = 0_u8;
    Key::new(move || {
        byte = byte.wrapping_add(41);
        byte
    })
}

/// What the header `Authorization` says.
pub(crate) fn bearer() -> String {
    format!("Bearer {}", key().reveal())
}

/// A client that sends the key, and follows no redirects.
pub(crate) fn client() -> reqwest::Client {
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert(reqwest::header::AUTHORIZATION, bearer().parse().unwrap());
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    client.default_headers(headers).build().unwrap()
}

/// Stores the person and the key.
pub(crate) async fn seed(pool: &PgPool) {
    let (key, person) = (key(), PERSON.parse().unwrap());
    let mut connection = pool.acquire().await.unwrap();
    api_key::put_person(&mut connection, &person, None).await.unwrap();
    let new = api_key::New {
        id: Uuid::from_u128(1),
        person: &person,
        role: Role::Admin,
        products: None,
        prefix: key.prefix(),
        digest: key.digest(),
        created_by: "tests",
        expires_at: None,
        requests_per_minute: None,
    };
    api_key::insert(&mut connection, &new).await.unwrap();
}
