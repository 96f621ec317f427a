var builder = WebApplication.CreateBuilder(
    new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory }
);
var app = builder.Build();
app.Run();

/// <summary>The web host; public so that tests can start it in-process.</summary>
public partial class Program;
