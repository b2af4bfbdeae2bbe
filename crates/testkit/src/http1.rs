//! Reading HTTP/1 messages off a byte stream, strictly: what a lenient reader would forgive is an error here, because a
//! test must see it.

use crate::patiently;
use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// A head with its start line taken apart at blanks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    pub start: Vec<String>,
    pub headers: Vec<(String, String)>,
    /// As it was on the wire, the empty line included.
    pub raw: Vec<u8>,
}

impl Head {
    pub fn parse(raw: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(raw).context("a head that is not UTF-8")?;
        let mut lines = text.strip_suffix("\r\n\r\n").context("a head without its empty line")?.split("\r\n");
        let start = lines.next().context("no start line")?.splitn(3, ' ').map(String::from).collect();
        let mut headers = Vec::new();
        for line in lines {
            ensure!(!line.contains(['\r', '\n']), "bare CR or LF in {line:?}");
            let (name, value) = line.split_once(':').with_context(|| format!("no colon in {line:?}"))?;
            headers.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
        }
        Ok(Self { start, headers, raw: raw.to_vec() })
    }

    pub fn status(&self) -> Result<u16> {
        Ok(self.start.get(1).context("no status")?.parse()?)
    }

    /// The only value of a header; none when it is absent, an error when it is there more than once.
    pub fn only(&self, name: &str) -> Result<Option<&str>> {
        let mut values = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let first = values.next();
        ensure!(values.next().is_none(), "{name} is there twice: {:?}", self.headers);
        Ok(first.map(|(_, value)| value.as_str()))
    }

    /// How the body of this message is framed, as far as the message itself says.
    pub fn framing(&self) -> Result<Framing> {
        let length = self.only("content-length")?;
        match (self.only("transfer-encoding")?, length) {
            (Some("chunked"), None) => Ok(Framing::Chunked),
            (None, Some(length)) => Ok(Framing::Sized(length.parse()?)),
            (None, None) => Ok(Framing::None),
            odd => bail!("framing that two readers could read differently: {odd:?}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    None,
    Sized(u64),
    Chunked,
}

/// Bytes read and not yet used.
#[derive(Debug, Default)]
pub struct Reader {
    pub buffer: Vec<u8>,
}

impl Reader {
    /// The next head; none when the peer closed cleanly before one.
    pub async fn head(&mut self, io: &mut (impl AsyncRead + Unpin)) -> Result<Option<Head>> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let raw: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return Head::parse(&raw).map(Some);
            }
            if self.fill(io).await? == 0 {
                ensure!(self.buffer.is_empty(), "closed inside a head: {:?}", String::from_utf8_lossy(&self.buffer));
                return Ok(None);
            }
        }
    }

    /// Up to `most` bytes; empty at the end of the stream.
    pub async fn some(&mut self, io: &mut (impl AsyncRead + Unpin), most: usize) -> Result<Vec<u8>> {
        if self.buffer.is_empty() {
            self.fill(io).await?;
        }
        let most = most.min(self.buffer.len());
        Ok(self.buffer.drain(..most).collect())
    }

    pub async fn exactly(&mut self, io: &mut (impl AsyncRead + Unpin), size: usize) -> Result<Vec<u8>> {
        while self.buffer.len() < size {
            ensure!(self.fill(io).await? > 0, "closed {} bytes early", size - self.buffer.len());
        }
        Ok(self.buffer.drain(..size).collect())
    }

    /// One chunk's data; none at the last one, with the trailers that follow it.
    pub async fn chunk(&mut self, io: &mut (impl AsyncRead + Unpin)) -> Result<Chunk> {
        let line = self.line(io).await?;
        let size = usize::from_str_radix(&line, 16).with_context(|| format!("chunk size {line:?}"))?;
        if size > 0 {
            let data = self.exactly(io, size).await?;
            ensure!(self.line(io).await?.is_empty(), "bytes between a chunk and its end");
            return Ok(Chunk::Data(data));
        }
        let mut trailers = Vec::new();
        loop {
            let line = self.line(io).await?;
            let Some((name, value)) = line.split_once(':') else {
                ensure!(line.is_empty(), "odd trailer {line:?}");
                return Ok(Chunk::Last(trailers));
            };
            trailers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    async fn line(&mut self, io: &mut (impl AsyncRead + Unpin)) -> Result<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end).collect();
                self.buffer.drain(..2);
                return Ok(String::from_utf8(line)?);
            }
            ensure!(self.fill(io).await? > 0, "closed inside a chunked body");
        }
    }

    async fn fill(&mut self, io: &mut (impl AsyncRead + Unpin)) -> Result<usize> {
        Ok(patiently("bytes", io.read_buf(&mut self.buffer)).await??)
    }
}

/// A piece of a chunked body.
#[derive(Debug, PartialEq, Eq)]
pub enum Chunk {
    Data(Vec<u8>),
    Last(Vec<(String, String)>),
}

/// Where `needle` begins.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_chunked_message_is_read_to_its_trailers() {
        let mut wire: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\nrest";
        let mut reader = Reader::default();
        let head = reader.head(&mut wire).await.unwrap().unwrap();
        assert_eq!(head.status().unwrap(), 200);
        assert_eq!(head.framing().unwrap(), Framing::Chunked);
        assert_eq!(reader.chunk(&mut wire).await.unwrap(), Chunk::Data(b"abc".to_vec()));
        assert_eq!(reader.chunk(&mut wire).await.unwrap(), Chunk::Last(vec![("x".into(), "y".into())]));
        assert_eq!(reader.buffer, b"rest");
    }

    #[test]
    fn doubled_framing_is_an_error() {
        let head = Head::parse(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n").unwrap();
        assert!(head.framing().is_err());
    }
}
