//! The flags of `try`, `why` and `requests`.

use std::net::IpAddr;

use clap::Args;
use mezu_api::request::Field;
use mezu_model::RayId;

use super::ClientArgs;

#[derive(Debug, Args)]
pub struct TryArgs {
    /// The method, e.g. GET
    pub method: String,
    /// The address, e.g. https://shop.example.com/cart?item=7; the scheme may be left out
    pub url: String,
    /// A header field; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = field)]
    pub headers: Vec<Field>,
    /// The address that the request comes from [default: yours, as the instance sees it]
    #[arg(long, value_name = "ADDR")]
    pub from: Option<IpAddr>,
    /// Bytes of its body
    #[arg(long, value_name = "N")]
    pub body: Option<u64>,
    /// Suppose that this draft were published; its name or id
    #[arg(long, value_name = "DRAFT")]
    pub draft: Option<String>,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The ray id: the mezu-ray of an answer, or the number on an error page
    #[arg(value_name = "RAY")]
    pub ray: RayId,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
pub struct RequestsArgs {
    /// Only answers with this status, e.g. 404, or of this class, e.g. 5xx
    #[arg(long, value_name = "STATUS")]
    pub status: Option<String>,
    /// Only those that this route took: its id, HOST or HOST/PATH
    #[arg(long)]
    pub route: Option<String>,
    /// Only those to this workload: its name or id
    #[arg(long)]
    pub workload: Option<String>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub limit: u16,
    #[command(flatten)]
    pub client: ClientArgs,
}

fn field(text: &str) -> Result<Field, String> {
    let (name, value) = text.split_once(':').ok_or("expected NAME: VALUE")?;
    Ok(Field { name: name.trim().to_string(), value: value.trim().to_string() })
}
