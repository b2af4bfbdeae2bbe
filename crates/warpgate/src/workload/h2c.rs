#[derive(Default)]
pub(crate) struct Link {}
pub(crate) async fn serve<S: super::EdgeStream>(_workload: &super::Workload, _stream: &mut S, _request: super::Request) -> Result<(), super::Fault> { Err(super::Fault::Internal) }
