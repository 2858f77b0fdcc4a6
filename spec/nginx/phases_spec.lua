-- Every phase of nginx: where a request may wait, mail is sent; elsewhere the call
-- returns an error table at once that names the phase and says what to do.
local certs = require "spec.support.certs"
local nginx = require "spec.nginx.support.nginx"
local sink = require "smtplib.sink"

local server_lines = [[
  location = /rewrite { rewrite_by_lua_block { TRY "rewrite" ngx.exit(204) } content_by_lua_block { ngx.exit(500) } }
  location = /access { access_by_lua_block { TRY "access" ngx.exit(204) } content_by_lua_block { ngx.exit(500) } }
  location = /content { content_by_lua_block { TRY "content" ngx.exit(204) } }
  location = /timer { content_by_lua_block { ngx.timer.at(0, function() TRY "timer" end) ngx.exit(204) } }
  location = /set { set_by_lua_block $x { TRY "set" return "" } return 204; }
  location = /header_filter { return 200 "x"; header_filter_by_lua_block { TRY "header_filter" } }
  location = /body_filter { return 200 "x"; body_filter_by_lua_block { TRY "body_filter" } }
  location = /log { return 204; log_by_lua_block { TRY "log" } }
  location = /timer_of_log { return 204; log_by_lua_block { ngx.timer.at(0, function() TRY "timer_of_log" end) } }
  location = /balancer { proxy_pass http://upstream_of_lua; }
  location = /kept {
    content_by_lua_block { ngx.ctx.server = assert(CONNECT()) ngx.exit(204) }
    log_by_lua_block {
      local handler = require "spec.nginx.support.handler"
      handler.keep("noop", ngx.ctx.server:noop())
      handler.keep("quit", ngx.ctx.server:quit())
      handler.keep("close", ngx.ctx.server:close())
    }
  }
]]

local http_lines = [[
  init_by_lua_block {
    local smtplib = require "smtplib"
    local handler = require "spec.nginx.support.handler"
    function CONNECT() return smtplib.SMTP("%s", %d) end
    function TRY(name) handler.try(name, "%s", %d) end
    TRY "init"
  }
  init_worker_by_lua_block { TRY "init_worker" }
  exit_worker_by_lua_block { TRY "exit_worker" }
  upstream upstream_of_lua {
    server 0.0.0.1:1;
    balancer_by_lua_block { TRY "balancer" ngx.exit(204) }
  }
  server {
    listen unix:{folder}/https.sock ssl;
    ssl_protocols TLSv1.2;
    ssl_certificate %s;
    ssl_certificate_key %s;
    ssl_session_tickets off;
    ssl_certificate_by_lua_block { TRY "ssl_cert" }
    location / { return 204; }
  }
  ssl_session_store_by_lua_block { TRY "ssl_session_store" }
]]

local tls_client = "cd %s; printf 'GET / HTTP/1.0\\r\\n\\r\\n' | timeout 20 openssl s_client -unix https.sock -quiet -ign_eof"

describe("In nginx's phase", function()
  local missing = nginx.missing()
  if missing then return pending(missing) end

  local server, mail
  setup(function()
    mail = assert(sink.start())
    local top = nginx.shell("pwd"):match("[^\n]+") .. "/"
    server = nginx.start {
      main = "thread_pool senders threads=2;", server = server_lines,
      http = http_lines:format(mail.host, mail.port, mail.host, mail.port, top .. certs.path("server.pem"),
        top .. certs.path("server.key")),
    }
  end)
  teardown(function()
    if server then server:stop() end
    if mail then mail:stop() end
  end)
  after_each(function() assert.equal("", server:alarms()) end)

  -- What a phase did, once it has.
  local function tried(name)
    local list
    assert(nginx.eventually(function()
      list = server:run([[
        local kept = require("spec.nginx.support.handler").kept
        local list = kept[...]
        kept[...] = nil
        return list
      ]], name)
      return list ~= nil
    end), "nothing was tried in " .. name)
    return list
  end

  local function assert_sent(name)
    local list = tried(name)
    assert.same({}, list[1], list[2] and list[2].text)
    local found = 0
    for _, message in ipairs(mail:take()) do
      if message.data:find("Subject: from " .. name .. "\r\n", 1, true) then found = found + 1 end
    end
    assert.equal(1, found)
  end

  local function assert_phase_error(list, phase)
    assert.is_nil(list[1])
    local err = list[2]
    assert.is_true(err.is_error)
    assert.equal("SMTPSocketError", err.name)
    assert.equal("phase", err.code)
    assert.truthy(err.message:find("nginx's " .. phase .. " phase", 1, true), err.message)
    assert.truthy(err.message:find("ngx.timer.at", 1, true), err.message)
    assert.is_false(err.temporary)
    assert.equal("none", err.delivery)
  end

  -- Neither an SMTP object nor a Mailer.
  local function assert_refused(name)
    assert_phase_error(tried(name), name)
    assert_phase_error(tried(name .. " by a Mailer"), name)
  end

  for _, phase in ipairs { "rewrite", "access", "content", "timer", "timer_of_log" } do
    it(phase .. " a message is sent", function()
      assert.equal(204, (server:get("/" .. phase)))
      assert_sent(phase)
    end)
  end

  it("ssl_cert a message is sent while the handshake waits; ssl_session_store cannot wait", function()
    local output = nginx.shell(tls_client:format(server.folder))
    assert.truthy(output:find("204 No Content", 1, true), output)
    assert_sent("ssl_cert")
    assert_refused("ssl_session_store")
  end)

  for _, phase in ipairs { "init", "init_worker" } do
    it(phase .. " the call fails at once and says what to do", function()
      assert_refused(phase)
    end)
  end

  for _, phase in ipairs { "set", "header_filter", "body_filter", "log", "balancer" } do
    it(phase .. " the call fails at once and says what to do", function()
      server:get("/" .. phase)
      assert_refused(phase)
    end)
  end

  it("log an object that was connected before is refused, and closes", function()
    assert.equal(204, (server:get("/kept")))
    for _, method in ipairs { "noop", "quit" } do assert_phase_error(tried(method), "log") end
    assert.same({ true, n = 1 }, tried("close"))
  end)

  -- LuaJIT cannot yield there: an error would be raised, which the library's caller
  -- could not even catch as a table.
  it("content a call inside a function of C is refused, and says why", function()
    local cases = {
      ["string.gsub"] = [[ ("x"):gsub("x", send) ]],
      ["table.sort"] = [[ table.sort({ 1, 2 }, function() send() return false end) ]],
      ["require"] = [[ package.preload.of_a_user = send; require "of_a_user"; package.loaded.of_a_user = nil ]],
    }
    for name, code in pairs(cases) do
      local sent, err = server:run(([[
        local result
        local function send()
          if not result then result = { CONNECT() } end
        end
        %s
        return unpack(result, 1, 2)
      ]]):format(code))
      assert.is_nil(sent, name)
      assert.equal("phase", err.code)
      assert.truthy(err.message:find("inside a function of C", 1, true), err.message)
    end
  end)

  it("content pcall, coroutines and light threads do not matter", function()
    local ways = {
      [[ return select(2, pcall(send)) ]],
      [[ return coroutine.wrap(function() return send() end)() ]],
      [[ return select(2, ngx.thread.wait(ngx.thread.spawn(send))) ]],
      [[ for refused in send do return refused end ]],
      [[ return setmetatable({}, { __index = function() return send() end }).x ]],
    }
    for _, way in ipairs(ways) do
      local refused = server:run(([[
        local host, port = ...
        local handler = require "spec.nginx.support.handler"
        local function send() return handler.send("x", { host = host, port = port }) end
        %s
      ]]):format(way), mail.host, mail.port)
      assert.same({}, refused, way)
    end
    assert.equal(#ways, #mail:take())
  end)

  it("content a thread of ngx.run_worker_thread sends as a program outside nginx does", function()
    mail:take()
    local ok, connections = server:run([[
      return ngx.run_worker_thread("senders", "spec.nginx.support.handler", "send_in_thread", ...)
    ]], mail.host, mail.port)
    assert.same({ true, 1 }, { ok, connections })
    assert.equal(2, #mail:take())
  end)
end)
