-- One source for Lua 5.1 to 5.4 and LuaJIT: only what they all have.
std = "min"
codes = true
max_line_length = 120
exclude_files = { "build/" }

-- Columns of cases may be wide.
files["spec"] = { max_line_length = false }
files["spec/**/*_spec.lua"] = { std = "min+busted" }
files["spec/helper.lua"] = { std = "min+busted" }
-- Runs inside nginx, whose Lua is LuaJIT.
files["spec/nginx/support/handler.lua"] = { std = "luajit", read_globals = { "ngx" } }
files["spec/examples/contact-form"] = { std = "luajit", globals = { "ngx" }, max_line_length = 140 }
files["spec/bench/resty_way.lua"] = { std = "luajit", read_globals = { "ngx" } }
files[".busted"] = {}
files["rockspec/*.rockspec"] = { std = "rockspec" }
files["lua/smtplib/transport/ngx.lua"] = { read_globals = { "ngx" } }
