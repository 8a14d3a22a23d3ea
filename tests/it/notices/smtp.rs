//! A small mail server that holds its client to RFC 5321: the order of the commands, their line ends, the dots.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// A mail that arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mail {
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) text: String,
}

/// A listening mail server.
#[derive(Debug, Clone)]
pub(super) struct MailServer {
    pub(super) url: String,
    mails: Arc<Mutex<Vec<Mail>>>,
}

impl MailServer {
    /// Refuses each recipient with the codes in `refusals`, one after the other, and accepts the later ones.
    pub(super) async fn start(refusals: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let (mails, refusals) = (Arc::<Mutex<Vec<Mail>>>::default(), Arc::new(Mutex::new(refusals.to_vec())));
        let server = Self { url, mails: Arc::clone(&mails) };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&mails), Arc::clone(&refusals)));
            }
        });
        server
    }

    pub(super) fn mails(&self) -> Vec<Mail> {
        self.mails.lock().unwrap().clone()
    }
}

async fn serve(stream: TcpStream, mails: Arc<Mutex<Vec<Mail>>>, refusals: Arc<Mutex<Vec<u16>>>) {
    let mut stream = BufReader::new(stream);
    let mut mail = Mail::default();
    reply(&mut stream, "220 mail.test ready").await;
    while let Some(line) = line(&mut stream).await {
        let upper = line.to_uppercase();
        if upper.starts_with("EHLO ") {
            reply(&mut stream, "250 mail.test").await;
        } else if let Some(path) = upper.strip_prefix("MAIL FROM:") {
            mail = Mail { from: path.to_lowercase(), ..Mail::default() };
            reply(&mut stream, "250 ok").await;
        } else if upper.starts_with("RCPT TO:") && !mail.from.is_empty() {
            let refusal = {
                let mut all = refusals.lock().unwrap();
                if all.is_empty() { None } else { Some(all.remove(0)) }
            };
            match refusal {
                Some(code) => reply(&mut stream, &format!("{code} refused")).await,
                None => {
                    mail.to.push(line["RCPT TO:".len()..].to_owned());
                    reply(&mut stream, "250 ok").await;
                }
            }
        } else if upper == "DATA" && !mail.to.is_empty() {
            reply(&mut stream, "354 go on").await;
            mail.text = data(&mut stream).await;
            mails.lock().unwrap().push(std::mem::take(&mut mail));
            reply(&mut stream, "250 taken").await;
        } else if upper == "RSET" || upper == "NOOP" {
            reply(&mut stream, "250 ok").await;
        } else if upper == "QUIT" {
            reply(&mut stream, "221 bye").await;
            return;
        } else {
            reply(&mut stream, "503 not now").await;
        }
    }
}

/// A line without its end, which must be CR LF.
async fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
        return None;
    }
    Some(line.strip_suffix("\r\n").expect("a line ends in CR LF").to_owned())
}

/// The text up to the lone dot; a doubled dot at the beginning of a line is one.
async fn data(stream: &mut BufReader<TcpStream>) -> String {
    let mut text = String::new();
    while let Some(line) = line(stream).await {
        if line == "." {
            break;
        }
        text += line.strip_prefix('.').unwrap_or(&line);
        text.push('\n');
    }
    text
}

async fn reply(stream: &mut BufReader<TcpStream>, text: &str) {
    let _ = stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).await;
}
