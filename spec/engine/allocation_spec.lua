-- Every allocation of our own fails once: in whole dialogues the first one, the
-- second one, and so on until none is left to fail. Each run ends in success or
-- in a clean failure; none crashes, hangs, or tells a half truth.
local core = require "smtplib.core"
local drive = require "spec.engine.drive"
local pair = require "spec.support.tlspair"
local smtplib = require "smtplib"

-- Run `dialogue` with the n-th allocation failing, n = 1, 2, 3 … What raises for
-- want of memory, as Lua itself does, must be allowed to.
local function sweep(dialogue, most, may_raise)
  local failures = 0
  for n = 1, most or 2000 do
    core.allocation_fail_at(n)
    local ok, succeeded, why = pcall(dialogue)
    local made = core.allocation_fail_at(0)
    if not ok and may_raise and tostring(succeeded):find "memory" then
      ok, succeeded, why = true, nil, "nomem"
    end
    assert(ok, ("allocation %d: raised %s"):format(n, tostring(succeeded)))
    if made < n then
      assert(succeeded, "fails although memory sufficed: " .. tostring(why))
      return failures, n
    end
    if not succeeded then
      failures = failures + 1
      assert(why == "nomem" or may_raise or (smtplib.is_error(why) and why.message:find "memory"),
        ("allocation %d: %s"):format(n, tostring(why)))
    end
  end
  error("it never ends")
end

-- Answers of a server, one for each rest of the engine; what a call refused is
-- handed back by name.
local function play(engine, answers)
  local rests, _, _, name = drive.settle(engine)
  for _, answer in ipairs(answers) do
    if rests == "failed" then return nil, name end
    if rests == "content" then
      engine:content(".a\n.b\r" .. ("x"):rep(3000), true)
      drive.settle(engine)
    end
    rests, _, _, name = drive.answer(engine, answer)
  end
  if rests == "failed" then return nil, name end
  return true
end

local function greeted(options)
  local engine, name = core.engine(options and options.lmtp)
  if not engine then return nil, name end
  engine:trace(true)
  local ok, why = play(engine, { "220 hi\r\n" })
  if not ok then return nil, why end
  ok, why = engine:command("EHLO", "me")
  if not ok then return nil, why end
  ok, why = play(engine, { "250-mx\r\n250-SIZE 1000\r\n250-AUTH PLAIN LOGIN\r\n250 PIPELINING\r\n" })
  if not ok then return nil, why end
  return engine
end

local function transaction(engine, recipients)
  local serial, name = engine:begin("FROM:<a@example.org>")
  if not serial then return nil, name end
  for i = 1, recipients do
    local ok, why = engine:recipient(("TO:<%s%d@example.org>"):format(("r"):rep(60), i))
    if not ok then return nil, why end
  end
  return engine:commit()
end

local function drain(engine)
  while engine:take_trace() do end
end

-- After a failure for want of memory, nothing may go in circles either.
local function is_at_rest(engine)
  engine:abandon()
  drive.settle(engine)
  drain(engine)
end

local dialogues = {}

dialogues["EHLO"] = function()
  local engine, why = greeted()
  if not engine then return nil, why end
  local features = engine:features()
  is_at_rest(engine)
  return features.size == "1000", "features"
end

local function with_engine(options, body)
  return function()
    local engine, why = greeted(options)
    if not engine then return nil, why end
    local ok, failure = body(engine)
    is_at_rest(engine)
    return ok, failure
  end
end

dialogues["a transaction with three recipients"] = with_engine(nil, function(engine)
  local ok, why = transaction(engine, 3)
  if not ok then return nil, why end
  return play(engine, { "250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n", "250 taken\r\n" })
end)

dialogues["LMTP"] = with_engine({ lmtp = true }, function(engine)
  local ok, why = transaction(engine, 20)
  if not ok then return nil, why end
  return play(engine, { "250 ok\r\n" .. ("250 ok\r\n"):rep(20) .. "354 go\r\n", ("250 taken\r\n"):rep(20) })
end)

dialogues["a refused envelope with another behind it"] = with_engine(nil, function(engine)
  for _ = 1, 2 do
    local ok, why = transaction(engine, 2)
    if not ok then return nil, why end
  end
  return play(engine, { "550 no\r\n503 no\r\n503 no\r\n503 no\r\n", "250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n",
    "250 taken\r\n" })
end)

dialogues["a long reply"] = with_engine(nil, function(engine)
  local ok, why = engine:command("HELP")
  if not ok then return nil, why end
  return play(engine, { ("214-%s\r\n"):format(("x"):rep(500)):rep(300), "214 end\r\n" })
end)

dialogues["PLAIN"] = with_engine(nil, function(engine)
  local ok, why = engine:auth { mechanism = "PLAIN", user = "me", password = ("x"):rep(600), initial = true }
  if not ok then return nil, why end
  return play(engine, { "334 \r\n", "235 ok\r\n" })
end)

dialogues["LOGIN by hand"] = with_engine(nil, function(engine)
  local ok, why = engine:auth_by_hand("LOGIN")
  if not ok then return nil, why end
  for _, secret in ipairs { "me", ("secret"):rep(100) } do
    ok, why = play(engine, { "334 VXNlcm5hbWU6\r\n" })
    if not ok then return nil, why end
    ok, why = engine:respond(secret)
    if not ok then return nil, why end
  end
  return play(engine, { "235 ok\r\n" })
end)

-- RFC 7677 section 3
local server_first = smtplib.base64.encode(
  "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
local server_final = smtplib.base64.encode("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")

dialogues["SCRAM-SHA-256"] = with_engine(nil, function(engine)
  local ok, why = engine:auth {
    mechanism = "SCRAM-SHA-256", user = "user", password = "pencil", nonce = "rOprNGfwEbeRWgbNEkqO", initial = true,
  }
  if not ok then return nil, why end
  return play(engine, { "334 " .. server_first .. "\r\n", "334 " .. server_final .. "\r\n", "235 ok\r\n" })
end)

describe("When memory runs out", function()
  for name, dialogue in pairs(dialogues) do
    it("in " .. name .. ", the run ends well or in a clean failure", function()
      -- Lua's own functions that use our memory are run once before.
      assert.is_true((dialogue()))
      local failures, last = sweep(dialogue)
      assert.is_true(failures > 5, failures .. " failures in " .. last)
    end)
  end
end)

-- Through the public API, a server of strings in memory.
local function scripted(answers)
  local transport, next_answer, inbox = {}, 0, ""
  function transport.connect()
    inbox = "220 hi\r\n"
    return true
  end
  function transport.send(_, bytes)
    next_answer = next_answer + 1
    inbox = inbox .. (answers[next_answer] or "")
    return #bytes
  end
  function transport.receive()
    if inbox == "" then return nil, "closed" end
    local bytes = inbox
    inbox = ""
    return bytes
  end
  function transport.settimeout() return true end
  function transport.is_loopback() return true end
  function transport.close()
    transport.closed = true
    return true
  end
  return transport
end

describe("When memory runs out under the public API", function()
  local function send()
    local transport = scripted {
      "250-mx\r\n250-SIZE\r\n250-AUTH PLAIN\r\n250 PIPELINING\r\n", "235 ok\r\n",
      "250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n", "250 taken\r\n", "250 ok\r\n", "221 bye\r\n",
    }
    local server, err = smtplib.SMTP { host = "mx.example.org", port = 25, transport = transport, user = "u", password = "p",
      local_hostname = "me.example.org" }
    if not server then
      assert(transport.closed, "not connected, and yet open")
      return nil, err
    end
    local refused, failure = server:sendmail("a@example.org", { "b@example.org", "c@example.org" },
      "Subject: x\n\n" .. ("line\n"):rep(200))
    local usable = server:noop()
    assert(usable or not server:is_open(), "neither usable nor closed")
    server:quit()
    server:close()
    return refused, failure
  end

  it("an error table comes of it, and the object is usable or closed", function()
    assert.is_table((send()))
    local failures = sweep(send)
    assert.is_true(failures > 5, failures .. " failures")
  end)

  it("composing and sending a Message ends well or in a clean failure", function()
    local function compose()
      local message, err = smtplib.email.Message {
        from = "Jürgen <a@example.org>", to = { "b@example.org" }, subject = ("Grüße "):rep(20), text = ("Zeile ä\n"):rep(50),
        date = 0, message_id = "<1@example.org>",
      }
      if not message then return nil, err end
      local transport = scripted {
        "250-mx\r\n250-8BITMIME\r\n250 PIPELINING\r\n", "250 ok\r\n250 ok\r\n354 go\r\n", "250 taken\r\n", "221 bye\r\n",
      }
      local server
      server, err = smtplib.SMTP { host = "mx.example.org", port = 25, transport = transport, local_hostname = "me.example.org" }
      if not server then return nil, err end
      local refused
      refused, err = server:send_message(message)
      server:quit()
      server:close()
      return refused, err
    end
    assert.is_table((compose()))
    sweep(compose, 20000, true)
  end)
end)

describe("When memory runs out under TLS", function()
  local client_context = pair.client_context()
  local server_context = pair.server_context("server")

  -- Move bytes until both are silent; the server's own failures end the run.
  local function converse(engine, server)
    for _ = 1, 100 do
      local rests, wire, _, name = drive.settle(engine)
      if rests == "failed" then return nil, name end
      local ok, why = server:input(wire)
      if ok == nil and why then return nil, why end
      local bytes = server:output()
      if bytes == "" and wire == "" then return true end
      engine:input(bytes)
    end
    error("it never ends")
  end

  local function encrypted(engine)
    local server, why = core.tls(server_context)
    if not server then return nil, why end
    local ok
    ok, why = engine:start_tls(client_context, "localhost")
    if not ok then return nil, why end
    ok, why = converse(engine, server)
    if not ok then return nil, why end
    ok, why = engine:command("NOOP")
    if not ok then return nil, why end
    ok, why = converse(engine, server)
    if not ok then return nil, why end
    local line
    line, why = server:read()
    if not line then return nil, why or "nomem" end
    ok, why = server:write("250 ok\r\n")
    if not ok then return nil, why end
    ok, why = converse(engine, server)
    if not ok then return nil, why end
    return line == "NOOP\r\n" and engine:awaited() == "", "not done"
  end

  it("the handshake and what follows end well or in a clean failure", function()
    local dialogue = with_engine(nil, encrypted)
    assert.is_true((dialogue()))
    local failures = sweep(dialogue)
    assert.is_true(failures > 5, failures .. " failures")
  end)
end)
