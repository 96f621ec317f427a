using TenantDocs.Benchmarks;
using TenantDocs.Benchmarks.Driving;
using TenantDocs.Benchmarks.Hosts;

return args switch
{
    ["drive"] => Driver.Serve(),
    ["floor", var port] => await FloorHost.ServeAsync(port),
    ["layers", var port] => await LayersHost.ServeAsync(port),
    _ => await Run.StartAsync(args),
};
