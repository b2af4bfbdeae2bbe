#[derive(Default)]
pub(crate) struct Link {}
pub(crate) async fn serve<S: super::edge_stream::EdgeStream>(_workload: &super::Workload, _stream: &mut S, _request: &super::edge_stream::Request) -> Result<(), super::Fault> { Err(super::Fault::Internal) }
