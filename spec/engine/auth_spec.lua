-- Mechanisms: published exchanges, what is refused, how far a server may go.
-- Vectors without an RFC's number were computed with Python's hashlib.
local base64 = require "smtplib.base64"
local core = require "smtplib.core"
local drive = require "spec.engine.drive"
local pair = require "spec.support.tlspair"

local function converse(request, challenges)
  local conversation, name = core.auth(request)
  if not conversation then return nil, name end
  local responses = {}
  for i, challenge in ipairs(challenges) do
    local response, why = conversation:step(challenge or nil)
    if not response then return nil, why, i end
    responses[i] = response
  end
  return responses, conversation:is_proven()
end

local rfc7677 = { mechanism = "SCRAM-SHA-256", user = "user", password = "pencil", nonce = "rOprNGfwEbeRWgbNEkqO" }
local rfc7677_nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
local rfc7677_first = "r=" .. rfc7677_nonce .. ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
local rfc7677_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

local function with(base, changes)
  local copy = {}
  for key, value in pairs(base) do copy[key] = value end
  for key, value in pairs(changes) do copy[key] = value end
  return copy
end

describe("The mechanism", function()
  local exchanges = {
    { "PLAIN (RFC 4616)", { mechanism = "PLAIN", user = "tim", password = "tanstaaftanstaaf" },
      { false }, { "\0tim\0tanstaaftanstaaf" } },
    { "PLAIN for another (RFC 4616)", { mechanism = "PLAIN", user = "Kurt", password = "xipj3plmq", authzid = "Ursel" },
      { "" }, { "Ursel\0Kurt\0xipj3plmq" } },
    { "LOGIN", { mechanism = "LOGIN", user = "me", password = "secret" },
      { "Username:", "Password:" }, { "me", "secret" } },
    { "LOGIN with an initial response", { mechanism = "LOGIN", user = "me", password = "secret" },
      { false, "anything" }, { "me", "secret" } },
    { "CRAM-MD5 (RFC 2195)", { mechanism = "CRAM-MD5", user = "tim", password = "tanstaaftanstaaf" },
      { "<1896.697170952@postoffice.reston.mci.net>" }, { "tim b913a602c7eda7a495b4e6e7334d3890" } },
    { "EXTERNAL", { mechanism = "EXTERNAL", user = "me" }, { false }, { "me" } },
    { "EXTERNAL by the certificate alone", { mechanism = "EXTERNAL" }, { false }, { "" } },
    { "XOAUTH2", { mechanism = "XOAUTH2", user = "a@example.org", token = "ya29.x" },
      { false, "{\"status\":\"401\"}" }, { "user=a@example.org\1auth=Bearer ya29.x\1\1", "" } },
    { "OAUTHBEARER (RFC 7628)",
      { mechanism = "OAUTHBEARER", user = "user@example.com", token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
        host = "server.example.com", port = "587" },
      { false, "{\"status\":\"invalid_token\"}" },
      { "n,a=user@example.com,\1host=server.example.com\1port=587\1"
        .. "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\1\1", "\1" } },
    { "OAUTHBEARER with a comma in the name", { mechanism = "oauthbearer", user = "a,b=c", token = "t" },
      { false }, { "n,a=a=2Cb=3Dc,\1auth=Bearer t\1\1" } },
    { "SCRAM-SHA-1 (RFC 5802)",
      { mechanism = "SCRAM-SHA-1", user = "user", password = "pencil", nonce = "fyko+d2lbbFgONRv9qkxdawL" },
      { false, "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=" },
      { "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
        "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "" }, true },
    { "SCRAM-SHA-256 (RFC 7677)", rfc7677, { false, rfc7677_first, rfc7677_final },
      { "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        "c=biws,r=" .. rfc7677_nonce .. ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "" }, true },
    { "SCRAM-SHA-512", with(rfc7677, { mechanism = "SCRAM-SHA-512" }),
      { false, rfc7677_first, "v=ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==" },
      { "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "c=biws,r=" .. rfc7677_nonce
        .. ",p=gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==", "" }, true },
    { "SCRAM with a name to be escaped", { mechanism = "SCRAM-SHA-256", user = "a=b,c", password = "p\195\164ss,w=rd", nonce = "abc" },
      { false, "r=abcdef,s=c2FsdA==,i=10000", "v=YPrib0m5ePPLl6v1Syc50YsJclZVVScaMGlhQI99MdM=" },
      { "n,,n=a=3Db=2Cc,r=abc", "c=biws,r=abcdef,p=KHG0rtj437bSBkjHl+IlJaCv4DgilLIN21M5TqwFueY=", "" }, true },
    { "SCRAM for another", { mechanism = "SCRAM-SHA-256", user = "user", password = "pencil", authzid = "o,ther", nonce = "abc" },
      { false, "r=abcdef,s=c2FsdA==,i=4096", "v=FBRSRnpK3DG99r+Z6/cOMGjL9QEV+E7AbIhRS3tMuKM=" },
      { "n,a=o=2Cther,n=user,r=abc", "c=bixhPW89MkN0aGVyLA==,r=abcdef,p=Yg4VTRAmmwfvakRBO5c2jB/bd0zRGL8MN5PygSZQVIY=", "" }, true },
  }

  for _, case in ipairs(exchanges) do
    it(case[1] .. " answers as published", function()
      local responses, proven = converse(case[2], case[3])
      assert.same(case[4], responses)
      assert.is_true(proven)
    end)
  end

  it("of any case is the same, an unknown one is none", function()
    assert.is_truthy(core.auth { mechanism = "plain", user = "u", password = "p" })
    for _, name in ipairs { "", "PLAIN ", "NTLM", "SCRAM-SHA-224", "PLAIN\0", "ANONYMOUS" } do
      assert.equal("mechanism", select(2, core.auth { mechanism = name, user = "u", password = "p" }), name)
    end
  end)

  it("with -PLUS needs a connection to bind to", function()
    for _, digest in ipairs { "1", "256", "512" } do
      local _, why = core.auth { mechanism = "SCRAM-SHA-" .. digest .. "-PLUS", user = "u", password = "p" }
      assert.equal("mechanism", why)
    end
  end)

  it("exposes its secret, or does not", function()
    local exposed = { PLAIN = true, LOGIN = true, XOAUTH2 = true, OAUTHBEARER = true, ["CRAM-MD5"] = false,
      EXTERNAL = false, ["SCRAM-SHA-1"] = false, ["SCRAM-SHA-256"] = false, ["SCRAM-SHA-512"] = false }
    for name, yes in pairs(exposed) do
      assert.equal(yes, core.exposes_secret(name), name)
    end
  end)

  it("takes no control character into what it sends as text", function()
    for _, name in ipairs { "PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER", "SCRAM-SHA-256" } do
      for byte = 0, 127 do
        if byte < 32 or byte == 127 then
          local text = "a" .. string.char(byte) .. "b"
          for _, field in ipairs { "user", "authzid", "token", "host", byte == 0 and "password" or nil } do
            local request = with({ mechanism = name, user = "u", password = "p", token = "t", host = "h", port = "1" },
              { [field] = text })
            assert.equal("argument", select(2, core.auth(request)), name .. " " .. field .. " " .. byte)
          end
        end
      end
    end
  end)

  local once = {
    { "PLAIN", { false, "more" } }, { "LOGIN", { "a", "b", "c" } }, { "CRAM-MD5", { "<1@x>", "<2@x>" } },
    { "CRAM-MD5", { false } }, { "XOAUTH2", { false, "a", "b" } }, { "OAUTHBEARER", { false, "a", "b" } },
    { "EXTERNAL", { false, "more" } },
  }
  for _, case in ipairs(once) do
    it(case[1] .. " goes no further than " .. #case[2] - 1 .. " challenges", function()
      local responses, why, at = converse({ mechanism = case[1], user = "u", password = "p", token = "t" }, case[2])
      assert.same({ nil, "challenge", #case[2] }, { responses, why, at })
    end)
  end
end)

describe("SCRAM", function()
  local function first_of_server(text)
    return converse(rfc7677, { false, text })
  end
  local own = rfc7677.nonce

  local refused = {
    -- what is wrong, the server's first message
    { "nothing", "" },
    { "no attribute", "hello" },
    { "our nonce alone", "r=" .. own .. ",s=c2FsdA==,i=4096" },
    { "a nonce of its own", "r=XX" .. own .. ",s=c2FsdA==,i=4096" },
    { "a nonce cut short", "r=" .. own:sub(1, -2) .. ",s=c2FsdA==,i=4096" },
    { "a nonce that differs at the end", "r=" .. own:sub(1, -2) .. "X123,s=c2FsdA==,i=4096" },
    { "no nonce", "s=c2FsdA==,i=4096" },
    { "no salt", "r=" .. own .. "x,i=4096" },
    { "an empty salt", "r=" .. own .. "x,s=,i=4096" },
    { "a salt that is no base64", "r=" .. own .. "x,s=***,i=4096" },
    { "no count", "r=" .. own .. "x,s=c2FsdA==" },
    { "an empty count", "r=" .. own .. "x,s=c2FsdA==,i=" },
    { "a count of zero", "r=" .. own .. "x,s=c2FsdA==,i=0" },
    { "a count too low", "r=" .. own .. "x,s=c2FsdA==,i=4095" },
    { "a count too high", "r=" .. own .. "x,s=c2FsdA==,i=1000001" },
    { "a count beyond all numbers", "r=" .. own .. "x,s=c2FsdA==,i=99999999999999999999" },
    { "a count that wraps round", "r=" .. own .. "x,s=c2FsdA==,i=4294971392" },
    { "a negative count", "r=" .. own .. "x,s=c2FsdA==,i=-4096" },
    { "a count with a sign", "r=" .. own .. "x,s=c2FsdA==,i=+4096" },
    { "a count with more behind it", "r=" .. own .. "x,s=c2FsdA==,i=4096x" },
    { "another order", "s=c2FsdA==,r=" .. own .. "x,i=4096" },
    { "a mandatory extension (RFC 5802 section 5.1)", "m=x,r=" .. own .. "x,s=c2FsdA==,i=4096" },
    { "upper case", "R=" .. own .. "x,S=c2FsdA==,I=4096" },
  }
  for _, case in ipairs(refused) do
    it("refuses " .. case[1], function()
      local responses, why, at = first_of_server(case[2])
      assert.same({ nil, "forged", 2 }, { responses, why, at })
    end)
  end

  it("takes the lowest count, and an extension behind it", function()
    assert.is_table((first_of_server("r=" .. own .. "x,s=c2FsdA==,i=4096,x=more")))
  end)

  local finals = {
    { "", "forged" }, { "v=", "forged" }, { "v=AAAA", "forged" }, { "v=***", "forged" },
    { "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=", "forged" },
    { "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl9", "forged" },
    { "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=AAAA", "forged" },
    { " v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "forged" }, { "x=1," .. rfc7677_final, "forged" },
  }
  for _, case in ipairs(finals) do
    it(("is not satisfied by %q"):format(case[1]), function()
      local responses, why, at = converse(rfc7677, { false, rfc7677_first, case[1] })
      assert.same({ nil, case[2], 3 }, { responses, why, at })
    end)
  end

  it("is not proven by the server's own refusal, nor before the end", function()
    assert.is_false(select(2, converse(rfc7677, { false })))
    assert.is_false(select(2, converse(rfc7677, { false, rfc7677_first })))
    assert.is_false(select(2, converse(rfc7677, { false, rfc7677_first, "e=invalid-proof" })))
  end)

  it("ends after the server's last message", function()
    local _, why, at = converse(rfc7677, { false, rfc7677_first, rfc7677_final, rfc7677_final })
    assert.same({ "challenge", 4 }, { why, at })
  end)

  it("draws another nonce each time, of enough chance and without a comma", function()
    local seen = {}
    for _ = 1, 50 do
      local responses = converse({ mechanism = "SCRAM-SHA-1", user = "u", password = "p" }, { false })
      local nonce = responses[1]:match("^n,,n=u,r=([!-~]+)$")
      assert.is_true(#nonce >= 22 and not nonce:find(",", 1, true))
      assert.is_nil(seen[nonce])
      seen[nonce] = true
    end
  end)
end)

-- An engine with TLS up, and the server's side of it.
local function encrypted()
  local e = drive.ready()
  local server = assert(core.tls(pair.server_context("server")))
  assert(e:start_tls(pair.client_context(), "localhost"))
  local function exchange()
    for _ = 1, 20 do
      local _, wire = drive.settle(e)
      if wire ~= "" then server:input(wire) end
      local bytes = server:output()
      if bytes == "" and wire == "" then return end
      e:input(bytes)
    end
  end
  exchange()
  return e, server, exchange
end

local function initial_response(request)
  local e, server, exchange = encrypted()
  assert(e:auth(with({ user = "u", password = "p", nonce = "abc", initial = true }, request)))
  exchange()
  local line = server:read()
  return base64.decode((line:match("^AUTH %S+ (%S+)\r\n$"))), server, e, exchange
end

describe("Channel binding (RFC 5802 section 6)", function()
  it("says n where the connection has none to offer", function()
    assert.equal("n,,n=u,r=abc", converse({ mechanism = "SCRAM-SHA-256", user = "u", password = "p", nonce = "abc" }, { false })[1])
  end)

  it("says y where we could bind and the server did not offer to", function()
    assert.equal("y,,n=u,r=abc", (initial_response { mechanism = "SCRAM-SHA-256", binding_offered = false }))
  end)

  it("says n where the server offers to and we chose not to", function()
    assert.equal("n,,n=u,r=abc", (initial_response { mechanism = "SCRAM-SHA-256", binding_offered = true }))
  end)

  it("says p with -PLUS, and sends the bytes that both ends know", function()
    local first, server, e, exchange = initial_response { mechanism = "SCRAM-SHA-256-PLUS", binding_offered = true }
    assert.equal("p=tls-exporter,,n=u,r=abc", first)
    server:write("334 " .. base64.encode("r=abcdef,s=c2FsdA==,i=4096") .. "\r\n")
    e:input(server:output())
    exchange()
    local final = base64.decode((server:read():match("^(%S+)\r\n$")))
    local bound = base64.decode((final:match("^c=([^,]+),")))
    local _, bytes = server:binding("tls-exporter")
    assert.equal("p=tls-exporter,," .. bytes, bound)
  end)
end)

describe("An exchange", function()
  it("with a response too long for one line waits to be asked", function()
    local e = drive.ready()
    local password = ("x"):rep(500)
    assert(e:auth { mechanism = "PLAIN", user = "u", password = password, initial = true })
    local _, wire = drive.settle(e)
    assert.equal("AUTH PLAIN\r\n", wire)
    _, wire = drive.answer(e, "334 \r\n")
    assert.equal(base64.encode("\0u\0" .. password) .. "\r\n", wire)
  end)

  it("with an empty initial response says so (RFC 4954 section 4)", function()
    local e = drive.ready()
    assert(e:auth { mechanism = "EXTERNAL", user = "", initial = true })
    local _, wire = drive.settle(e)
    assert.equal("AUTH EXTERNAL =\r\n", wire)
  end)

  it("never sends more than 512 bytes with the command", function()
    for length = 330, 400 do
      local e = drive.ready()
      assert(e:auth { mechanism = "PLAIN", user = "u", password = ("x"):rep(length), initial = true })
      local _, wire = drive.settle(e)
      assert.is_true(#wire <= 512, length .. ": " .. #wire)
    end
  end)

  it("by hand refuses a response that is too long, and can be cancelled", function()
    local e = drive.ready()
    assert(e:auth_by_hand("X"))
    drive.settle(e)
    drive.answer(e, "334 \r\n")
    assert.equal("too_long", select(2, e:respond(("x"):rep(10000))))
    assert.is_true(e:cancel())
    local _, wire = drive.settle(e)
    assert.equal("*\r\n", wire)
    local rests, _, events = drive.answer(e, "501 cancelled\r\n")
    assert.same({ "idle", 501 }, { rests, events[1][3] })
  end)

  it("lets nothing be answered when nothing was asked", function()
    local e = drive.ready()
    assert.equal("state", select(2, e:respond("x")))
    assert.equal("state", select(2, e:cancel()))
  end)
end)
