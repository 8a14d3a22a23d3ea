//! A person at the pages of the GitHub twin: follows no link by itself, keeps the cookie, and sends forms with the proof
//! that the page has.

use std::sync::Mutex;

use reqwest::{RequestBuilder, Response, redirect::Policy};

/// A browser without a script, as the twin sees it.
pub(crate) struct Browser {
    client: reqwest::Client,
    base: String,
    cookie: Mutex<String>,
}

/// What a request is answered with.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) status: u16,
    /// Where it leads on to.
    pub(crate) location: String,
    pub(crate) text: String,
}

impl Browser {
    pub(crate) fn new(base: &str) -> Self {
        let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { client, base: base.to_owned(), cookie: Mutex::default() }
    }

    /// A browser in which this person has signed in.
    pub(crate) async fn of(base: &str, login: &str, password: &str) -> Self {
        let browser = Self::new(base);
        let shown = browser.send("/login", &[("login", login), ("password", password)]).await;
        assert_eq!((shown.status, shown.location.as_str()), (303, "/"), "{}", shown.text);
        browser
    }

    pub(crate) async fn open(&self, path: &str) -> Shown {
        self.shown(self.client.get(format!("{}{path}", self.base))).await
    }

    /// Sends a form as the page at `from` has it, with its proof.
    pub(crate) async fn fill(&self, from: &str, action: &str, fields: &[(&str, &str)]) -> Shown {
        let page = self.open(from).await.text;
        let proof = page.split("name=\"proof\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let proof = proof.unwrap_or_else(|| panic!("{from} has no form: {page}"));
        self.send(action, &[fields, &[("proof", proof)]].concat()).await
    }

    /// Sends a form with these fields and no others.
    pub(crate) async fn send(&self, action: &str, fields: &[(&str, &str)]) -> Shown {
        self.send_with(action, fields, &[]).await
    }

    /// As [`Browser::send`], with these headers.
    pub(crate) async fn send_with(
        &self,
        action: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Shown {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let mut request = self.client.post(format!("{}{action}", self.base)).body(form.finish());
        request = request.header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.shown(request).await
    }

    async fn shown(&self, request: RequestBuilder) -> Shown {
        let cookie = self.cookie.lock().unwrap().clone();
        let answer = request.header("cookie", cookie).send().await.unwrap();
        let header = |answer: &Response, name: &str| {
            answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        if let Some(set) = header(&answer, "set-cookie") {
            assert!(set.contains("; HttpOnly; SameSite=Strict"), "{set}");
            *self.cookie.lock().unwrap() = set.split(';').next().unwrap().to_owned();
        }
        let (status, location) = (answer.status().as_u16(), header(&answer, "location").unwrap_or_default());
        Shown { status, location, text: answer.text().await.unwrap() }
    }
}
