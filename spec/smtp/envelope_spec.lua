-- The envelope's parameters and addresses (API section 3.1): options typed and
-- as strings, DSN, SIZE, 8BITMIME, SMTPUTF8, IDNA.
local certs = require "spec.support.certs"
local client = require "spec.support.client"
local core = require "smtplib.core"
local pair = require "spec.support.tlspair"

local last = client.last

local function greeted(peer_options, options)
  local server, peer = client.connect(peer_options, options)
  server:ehlo()
  return server, peer
end

-- The arguments of the only MAIL of a sendmail.
local function mail_of(peer)
  for _, line in ipairs(peer:commands()) do
    if line:find("^MAIL ") then return line:sub(6) end
  end
end

describe("typed options", function()
  local rows = {
    { "mail", { SIZE = 10 }, "SIZE=10" }, { "mail", { SIZE = "10" }, "SIZE=10" }, { "mail", { BODY = "8BITMIME" }, "BODY=8BITMIME" },
    { "mail", { BODY = "7BIT" }, "BODY=7BIT" }, { "mail", { RET = "HDRS" }, "RET=HDRS" }, { "mail", { RET = "FULL" }, "RET=FULL" },
    { "mail", { ENVID = "QQ314159" }, "ENVID=QQ314159" }, { "mail", { ENVID = "a+b=c d" }, "ENVID=a+2Bb+3Dc+20d" },
    { "mail", { SMTPUTF8 = true }, "SMTPUTF8" }, { "mail", { SIZE = 1e10 }, "SIZE=10000000000" },
    { "mail", { RET = "HDRS", ENVID = "x" }, "ENVID=x RET=HDRS" }, { "mail", { BODY = false, RET = "FULL" }, "RET=FULL" },
    { "rcpt", { NOTIFY = "SUCCESS,FAILURE" }, "NOTIFY=SUCCESS,FAILURE" }, { "rcpt", { NOTIFY = "NEVER" }, "NOTIFY=NEVER" },
    { "rcpt", { ORCPT = "rfc822;a+b@c.example" }, "ORCPT=rfc822;a+2Bb@c.example" },
    { "mail", { AUTH = "<>" }, "AUTH=<>" }, { "mail", { AUTH = "e+m=c@d.example" }, "AUTH=e+2Bm+3Dc@d.example" },
    { "mail", { "X-A=1", SIZE = 5 }, "X-A=1 SIZE=5" }, { "mail", {}, "" },
  }
  for _, row in ipairs(rows) do
    it(("of %s send %s"):format(row[1], row[3] == "" and "nothing" or row[3]), function()
      local server, peer = greeted { auth = { me = "secret" }, replies = { MAIL = "250 fine", RCPT = "250 fine" } }
      assert.equal(250, (server[row[1]](server, "a@b.example", row[2])))
      local start = row[1] == "mail" and "MAIL FROM:<a@b.example>" or "RCPT TO:<a@b.example>"
      assert.equal(start .. (row[3] == "" and "" or " " .. row[3]), last(peer:commands()))
    end)
  end

  local bad = {
    { "mail", { SIZE = "ten" } }, { "mail", { SIZE = -1 } }, { "mail", { SIZE = 1.5 } }, { "mail", { SIZE = true } },
    { "mail", { SIZE = 0 / 0 } }, { "mail", { SIZE = math.huge } }, { "mail", { BODY = "9BIT" } }, { "mail", { BODY = true } },
    { "mail", { RET = "SOME" } }, { "mail", { ENVID = "" } }, { "mail", { ENVID = ("x"):rep(101) } }, { "mail", { ENVID = "a\r\nb" } },
    { "mail", { RET = {} } }, { "mail", { ["a b"] = "c" } }, { "mail", { [""] = "c" } }, { "mail", { ["A=B"] = "c" } },
    { "rcpt", { NOTIFY = "NEVER,SUCCESS" } }, { "rcpt", { NOTIFY = "SOMETIMES" } }, { "rcpt", { NOTIFY = "" } },
    { "rcpt", { ORCPT = "no type" } }, { "rcpt", { ORCPT = "rfc822;" .. ("x"):rep(501) } },
  }
  for _, row in ipairs(bad) do
    local name, value = next(row[2])
    it(("of %s refuse %s=%.20s before anything is sent"):format(row[1], name, tostring(value)), function()
      local server, peer = greeted { auth = { me = "secret" } }
      local code, err = server[row[1]](server, "a@b.example", row[2])
      assert.is_nil(code)
      assert.equal("SMTPException", err.name)
      assert.equal(row[1]:upper(), err.command)
      assert.equal(1, #peer:commands())
      assert.is_true(server:is_open())
    end)
  end

  local unoffered = {
    { "mail", "SIZE", 10, "SIZE" }, { "mail", "BODY", "8BITMIME", "8BITMIME" }, { "mail", "RET", "HDRS", "DSN" },
    { "mail", "ENVID", "x", "DSN" }, { "rcpt", "NOTIFY", "NEVER", "DSN" }, { "rcpt", "ORCPT", "rfc822;x@y", "DSN" },
    { "mail", "SMTPUTF8", true, "SMTPUTF8" }, { "mail", "REQUIRETLS", true, "REQUIRETLS" }, { "mail", "AUTH", "<>", "AUTH" },
  }
  for _, row in ipairs(unoffered) do
    it(("whose extension is not offered: SMTPNotSupportedError for %s"):format(row[2]), function()
      local server, peer = greeted { extensions = { [row[4]] = false } }
      local code, err = server[row[1]](server, "a@b.example", { [row[2]] = row[3] })
      assert.is_nil(code)
      assert.equal("SMTPNotSupportedError", err.name)
      assert.equal(row[1]:upper(), err.command)
      assert.is_false(err.temporary)
      local options = { [row[2]] = row[3] }
      local refused
      refused, err = server:sendmail("a@b.example", "c@d.example", "x", row[1] == "mail" and options or nil,
        row[1] == "rcpt" and options or nil)
      assert.is_nil(refused)
      assert.equal("SMTPNotSupportedError", err.name)
      assert.equal(1, #peer:commands())
      assert.is_true(server:is_open())
    end)
  end

  it("are not supported by a server of HELO", function()
    local server, peer = client.connect { esmtp = false }
    local refused, err = server:sendmail("a@b.example", "c@d.example", "x", { RET = "HDRS" })
    assert.is_nil(refused)
    assert.equal("SMTPNotSupportedError", err.name)
    assert.equal(0, client.count(peer, "MAIL"))
  end)

  it("REQUIRETLS wants TLS, and the extension", function()
    local context = pair.server_context("server")
    local server = greeted { extensions = { REQUIRETLS = true } }
    local code, err = server:mail("a@b.example", { REQUIRETLS = true })
    assert.is_nil(code)
    assert.equal("SMTPNotSupportedError", err.name)
    local peer
    server, peer = client.connect({ extensions = { REQUIRETLS = true }, context = context },
      { tls = "starttls", tls_options = { cafile = certs.path("ca.pem") } })
    assert.same({}, server:sendmail("a@b.example", "c@d.example", "x", { REQUIRETLS = true }))
    assert.is_true(peer.messages[1].from_params.REQUIRETLS)
  end)
end)

describe("string options", function()
  it("go as they are, after the size", function()
    local server, peer = greeted { replies = { MAIL = "250 fine", RCPT = "250 fine" } }
    server:sendmail("a@b.example", "c@d.example", "x", { "RET=hdrs", "x-y=Z+2B" }, { "NOTIFY=never" })
    assert.equal("FROM:<a@b.example> size=3 RET=hdrs x-y=Z+2B", mail_of(peer))
    assert.equal("RCPT TO:<c@d.example> NOTIFY=never", peer:commands()[3])
  end)

  it("are dropped after HELO, as in Python", function()
    local server, peer = client.connect { esmtp = false }
    assert.same({}, server:sendmail("a@b.example", "c@d.example", "x", { "RET=HDRS" }, { "NOTIFY=NEVER" }))
    assert.equal("FROM:<a@b.example>", mail_of(peer))
    assert.equal(250, (server:mail("a@b.example", { "SIZE=1" })))
    assert.equal("MAIL FROM:<a@b.example>", last(peer:commands()))
  end)

  it("are not repeated by what the library adds", function()
    local server, peer = greeted()
    server:sendmail("a@b.example", "c@d.example", "\228", { "size=77", "body=8bitmime" })
    assert.equal("FROM:<a@b.example> size=77 body=8bitmime", mail_of(peer))
  end)

  it("SMTPUTF8 that is not offered: SMTPNotSupportedError", function()
    for _, option in ipairs { "SMTPUTF8", "smtputf8" } do
      local server, peer = greeted { extensions = { SMTPUTF8 = false } }
      local code, err = server:mail("a@b.example", { option })
      assert.is_nil(code)
      assert.equal("SMTPNotSupportedError", err.name)
      code, err = server:sendmail("a@b.example", "c@d.example", "x", { option })
      assert.is_nil(code)
      assert.equal("SMTPNotSupportedError", err.name)
      assert.equal(1, #peer:commands())
    end
  end)

  it("too long for a command line are an error", function()
    local server, peer = greeted()
    local code, err = server:mail("a@b.example", { "X=" .. ("y"):rep(5000) })
    assert.is_nil(code)
    assert.equal("SMTPException", err.name)
    assert.equal(1, #peer:commands())
  end)
end)

describe("recipients with options of their own", function()
  it("send them", function()
    local server, peer = greeted()
    assert.same({}, server:sendmail("a@b.example", {
      "plain@d.example", { addr = "c@d.example", NOTIFY = "SUCCESS,FAILURE", ORCPT = "rfc822;o@d.example" },
      { addr = "E <e@d.example>", "NOTIFY=NEVER" },
    }, "x"))
    assert.same({
      { addr = "plain@d.example", params = {} },
      { addr = "c@d.example", params = { NOTIFY = "SUCCESS,FAILURE", ORCPT = "rfc822;o@d.example" } },
      { addr = "e@d.example", params = { NOTIFY = "NEVER" } },
    }, peer.messages[1].to)
  end)

  it("may be one alone", function()
    local server, peer = greeted()
    assert.same({}, server:sendmail("a@b.example", { addr = "c@d.example", NOTIFY = "NEVER" }, "x"))
    assert.same({ { addr = "c@d.example", params = { NOTIFY = "NEVER" } } }, peer.messages[1].to)
  end)

  it("are refused where DSN is not offered", function()
    local server, peer = greeted { extensions = { DSN = false } }
    local refused, err = server:sendmail("a@b.example", { { addr = "c@d.example", NOTIFY = "NEVER" } }, "x")
    assert.is_nil(refused)
    assert.equal("SMTPNotSupportedError", err.name)
    assert.equal(1, #peer:commands())
  end)
end)

describe("SIZE", function()
  it("is told when it is offered and the length is known", function()
    for _, row in ipairs {
      { "x", 3 }, { "x\n", 3 }, { "x\r\n", 3 }, { "", 0 }, { "a\nb", 6 }, { "a\r\rb\n", 8 }, { ".\n", 3 },
    } do
      local server, peer = greeted()
      assert.same({}, server:sendmail("a@b.example", "c@d.example", row[1]))
      assert.equal("FROM:<a@b.example> size=" .. row[2], mail_of(peer))
      assert.equal(row[2], #peer.messages[1].data)
    end
  end)

  it("is not told when it is not offered, or not known", function()
    local server, peer = greeted { extensions = { SIZE = false, ["8BITMIME"] = false } }
    server:sendmail("a@b.example", "c@d.example", "x")
    assert.equal("FROM:<a@b.example>", mail_of(peer))
    server, peer = greeted { extensions = { ["8BITMIME"] = false } }
    local given
    server:sendmail("a@b.example", "c@d.example", function()
      if given then return nil end
      given = true
      return "x"
    end)
    assert.equal("FROM:<a@b.example>", mail_of(peer))
  end)

  it("exceeded is SMTPSenderRefused with 552, and nothing is sent", function()
    local server, peer = greeted { extensions = { SIZE = 100 } }
    assert.same({}, server:sendmail("a@b.example", "c@d.example", ("x"):rep(98)))
    local before = #peer:commands()
    local refused, err = server:sendmail("a@b.example", "c@d.example", ("x"):rep(99))
    assert.is_nil(refused)
    assert.equal("SMTPSenderRefused", err.name)
    assert.same({ 552, "a@b.example", "none", false, "MAIL" },
      { err.smtp_code, err.sender, err.delivery, err.temporary, err.command })
    assert.equal(before, #peer:commands())
    assert.is_true(server:is_open())
  end)

  it("of 0, or without a number, is no limit", function()
    for _, size in ipairs { "0", "" } do
      local server = greeted { replies = { EHLO = { "250-hi", "250 SIZE " .. size }, MAIL = "250 fine" } }
      assert.same({}, server:sendmail("a@b.example", "c@d.example", ("x"):rep(1000)))
    end
  end)
end)

describe("8BITMIME", function()
  it("is declared when needed and offered", function()
    local server, peer = greeted()
    server:sendmail("a@b.example", "c@d.example", "gr\195\188n")
    assert.equal("FROM:<a@b.example> size=7 BODY=8BITMIME", mail_of(peer))
    server, peer = greeted { extensions = { ["8BITMIME"] = false } }
    server:sendmail("a@b.example", "c@d.example", "gr\195\188n")
    assert.equal("FROM:<a@b.example> size=7", mail_of(peer))
    assert.equal("gr\195\188n\r\n", peer.messages[1].data)
  end)
end)

describe("a non-ASCII address", function()
  local utf8 = "j\195\188rgen@b.example"

  it("uses SMTPUTF8 where it is offered", function()
    local server, peer = greeted()
    assert.same({}, server:sendmail(utf8, "c@d.example", "x"))
    assert.equal("FROM:<" .. utf8 .. "> size=3 SMTPUTF8", mail_of(peer))
    assert.same({}, server:sendmail("a@b.example", { "c@d.example", utf8 }, "x"))
    assert.is_true(last(peer.messages).from_params.SMTPUTF8)
    assert.equal(utf8, last(peer.messages).to[2].addr)
    server:rset()
    assert.equal(250, (server:mail(utf8)))
    assert.equal("MAIL FROM:<" .. utf8 .. "> SMTPUTF8", last(peer:commands()))
    assert.equal(250, (server:rcpt(utf8)))
  end)

  it("fails with SMTPNotSupportedError before MAIL where it is not", function()
    local server, peer = greeted { extensions = { SMTPUTF8 = false } }
    for _, send in ipairs {
      function() return server:sendmail(utf8, "c@d.example", "x") end,
      function() return server:sendmail("a@b.example", { "c@d.example", utf8 }, "x") end,
      function() return server:mail(utf8) end, function() return server:rcpt(utf8) end,
    } do
      local refused, err = send()
      assert.is_nil(refused)
      assert.equal("SMTPNotSupportedError", err.name)
      assert.equal(1, #peer:commands())
    end
    assert.is_true(server:is_open())
  end)

  it("that is no UTF-8 is an error", function()
    local server, peer = greeted()
    local refused, err = server:sendmail("j\252rgen@b.example", "c@d.example", "x")
    assert.is_nil(refused)
    assert.equal("SMTPException", err.name)
    assert.equal(1, #peer:commands())
  end)

  if core.domain_to_ascii("gr\195\188n.example") then -- built with libidn2
    it("of whose parts only the domain is non-ASCII has an IDNA domain", function()
      local server, peer = greeted { extensions = { SMTPUTF8 = false } }
      assert.same({}, server:sendmail("a@gr\195\188n.example", "b@M\195\156NCHEN.example", "x"))
      assert.equal("a@xn--grn-ioa.example", peer.messages[1].from)
      assert.equal("b@xn--mnchen-3ya.example", peer.messages[1].to[1].addr)
    end)
  end
end)
