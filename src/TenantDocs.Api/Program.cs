using TenantDocs;
using TenantDocs.Api.Demo;
using TenantDocs.Api.Documents;
using TenantDocs.Api.Fleet;
using TenantDocs.Api.Http;
using TenantDocs.Api.Moves;
using TenantDocs.Api.Operations;
using TenantDocs.Api.Provisioning;

var builder = WebApplication.CreateBuilder(
    new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory }
);
builder.Services.AddTenantDocs();
builder.Services.AddHttp(builder.Configuration);
builder.Services.AddDocumentEndpoints();
builder.Services.AddOperationEndpoints();
builder.Services.AddFleetEndpoints();
builder.Services.AddDemo();

var app = builder.Build();
app.UseHttp();
app.MapHttp();
app.MapTenantApi().MapDocuments();
app.MapAdminApi().WithAdminWrites().MapOperations().MapTenants().MapMoves().MapFleet();
app.Run();

/// <summary>The web host; public so that tests can start it in-process.</summary>
public partial class Program;
