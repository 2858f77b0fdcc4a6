-- What `require "smtplib"` returns (API section 2): each name must work.
local client = require "spec.support.client"
local smtplib = require "smtplib"

describe("the module", function()
  it("has Python's constants", function()
    assert.equal("\r\n", smtplib.CRLF)
    assert.equal(25, smtplib.SMTP_PORT)
    assert.equal(465, smtplib.SMTP_SSL_PORT)
    assert.equal(2003, smtplib.LMTP_PORT)
    assert.truthy(smtplib._VERSION:find("^smtplib %d+%.%d+%.%d+$"))
  end)

  it("is reachable by its submodules' names both ways", function()
    for _, name in ipairs { "email", "base64", "quopri", "hmac", "sink", "re", "socket", "ssl" } do
      assert.equal(require("smtplib." .. name), smtplib[name], name)
    end
    assert.equal(require("smtplib.sslfakefile"), smtplib.SSLFakeFile)
  end)

  it("has no fields beyond, and knows that", function()
    assert.is_nil(smtplib.no_such_name)
  end)

  it("makes nothing global", function()
    for _, name in ipairs { "smtplib", "SMTP", "core", "email", "base64", "core_smtplib", "ssl" } do
      assert.is_nil(rawget(_G, name), name)
    end
  end)

  it("has classes whose fields are the methods", function()
    for _, name in ipairs { "SMTP", "SMTP_SSL", "LMTP" } do
      local class = smtplib[name]
      assert.equal("table", type(class))
      for method in ([[connect helo ehlo ehlo_or_helo_if_needed has_extn help noop rset verify vrfy expn mail rcpt
        data docmd putcmd getreply send starttls login auth auth_plain auth_login auth_cram_md5 sendmail send_message
        send_messages set_debuglevel close quit is_open]]):gmatch("%S+") do
        assert.equal("function", type(class[method]), name .. "." .. method)
      end
      assert.equal("smtplib." .. name, tostring(class))
    end
    assert.equal(smtplib.SMTP.verify, smtplib.SMTP.vrfy)
    assert.equal(25, smtplib.SMTP.default_port)
    assert.equal(465, smtplib.SMTP_SSL.default_port)
    assert.equal(2003, smtplib.LMTP.default_port)
    assert.equal("ehlo", smtplib.SMTP.ehlo_msg)
    assert.equal("lhlo", smtplib.LMTP.ehlo_msg)
    assert.equal(0, smtplib.SMTP.debuglevel)
  end)

  it("has classes that can be extended", function()
    local class = smtplib.SMTP
    class.shout = function(self) return self:docmd("NOOP", "SHOUT") end
    finally(function() class.shout = nil end)
    local server, peer = client.connect()
    assert.equal(250, (server:shout()))
    assert.equal("NOOP SHOUT", client.last(peer:commands()))
    assert.equal("function", type(smtplib.LMTP().shout))
  end)
end)

describe("quoteaddr", function()
  local rows = {
    { "", "<>" }, { "<>", "<>" }, { "a@b", "<a@b>" }, { "<a@b>", "<a@b>" }, { "Foo Bar <a@b>", "<a@b>" },
    { '"Foo, Bar" <a@b>', "<a@b>" }, { '"a b"@c', '<"a b"@c>' }, { "postmaster", "<postmaster>" },
    { "a@b (c)", "<a@b>" },
  }
  for _, row in ipairs(rows) do
    it("makes " .. row[2] .. " of " .. row[1], function()
      assert.equal(row[2], smtplib.quoteaddr(row[1]))
    end)
  end

  it("refuses what cannot be parsed, and never guesses", function()
    for _, bad in ipairs {
      "a@b, c@d", "x <a@b> <c@d>", "a b@c", "a@b SIZE=1", "a@b\r\nRCPT TO:<x@y>", "a@b\0", "a@", "@b",
      "<a@b", "a@b>", '"a@evil x@good', "a@b> NOTIFY=NEVER", "a@b\nX", "a\r@b",
    } do
      local quoted, err = smtplib.quoteaddr(bad)
      assert.is_nil(quoted, bad)
      assert.is_true(smtplib.is_error(err, smtplib.SMTPException), bad)
      assert.equal("none", err.delivery)
    end
  end)

  it("wants a string", function()
    assert.equal("bad argument 'addr' to 'quoteaddr' (string expected, got no value)",
      client.misuse(function() smtplib.quoteaddr() end))
  end)
end)

describe("quotedata", function()
  local rows = {
    { ".a\n.b", "..a\r\n..b" }, { "a\r.b", "a\r\n..b" }, { "a\r\r\n.c", "a\r\n\r\n..c" },
    { "\n.\n", "\r\n..\r\n" }, { ".", ".." }, { "", "" }, { "a\r\nb", "a\r\nb" }, { "a\n\nb", "a\r\n\r\nb" },
    { "..", "..." }, { "a.b", "a.b" }, { "\r", "\r\n" }, { "a\n", "a\r\n" }, { "\11.\12.", "\11.\12." },
  }
  for _, row in ipairs(rows) do
    it(("makes %q of %q"):format(row[2], row[1]), function()
      assert.equal(row[2], smtplib.quotedata(row[1]))
    end)
  end

  it("wants a string", function()
    assert.truthy(client.misuse(function() smtplib.quotedata(nil) end):find("'data' to 'quotedata'", 1, true))
  end)
end)

describe("encode_base64", function()
  it("writes lines of 76 and ends with the line end", function()
    local text = smtplib.encode_base64(("x"):rep(60))
    assert.equal(("eHh4"):rep(19) .. "\n" .. "eHh4" .. "\n", text)
    assert.equal("aGk=\n", smtplib.encode_base64("hi"))
  end)

  it("takes a length of line and a line end", function()
    assert.equal("eHh4\r\neHh4\r\n", smtplib.encode_base64("xxxxxx", 4, "\r\n"))
  end)

  it("writes one line without a break where the line end is empty", function()
    assert.equal(("eHh4"):rep(100), smtplib.encode_base64(("x"):rep(300), 76, ""))
  end)
end)

describe("OLDSTYLE_AUTH", function()
  it("finds the mechanisms of the old announcement in any case", function()
    assert.equal("PLAIN LOGIN", (smtplib.OLDSTYLE_AUTH:match("auth=PLAIN LOGIN"):groups()))
    assert.equal("LOGIN", (smtplib.OLDSTYLE_AUTH:match("AUTH=LOGIN"):groups()))
    assert.is_nil(smtplib.OLDSTYLE_AUTH:match("size=1"))
  end)
end)

describe("re", function()
  it("compiles, matches, searches and replaces", function()
    local pattern = smtplib.re.compile("^([a-z]+)=(.*)$", smtplib.re.I)
    local key, value = pattern:match("Size=10"):groups()
    assert.same({ "Size", "10" }, { key, value })
    assert.truthy(smtplib.re.match("a+", "aaab"))
    assert.is_nil(smtplib.re.match("b", "aaab"))
    assert.truthy(smtplib.re.search("b", "aaab"))
    assert.equal("a-b", (smtplib.re.sub("[ ]+", "-", "a   b")))
  end)
end)

describe("socket", function()
  it("tells the system's name", function()
    assert.equal("string", type(smtplib.socket.gethostname()))
    assert.equal("string", type(smtplib.socket.getfqdn()))
  end)
end)

describe("smtplib.assert", function()
  it("returns its arguments like Lua's", function()
    assert.same({ 1, 2, 3 }, { smtplib.assert(1, 2, 3) })
  end)

  it("raises an error table as it is in every Lua", function()
    local err = smtplib.SMTPDataError(554, "no")
    local ok, raised = pcall(smtplib.assert, nil, err)
    assert.is_false(ok)
    assert.equal(err, raised)
  end)

  it("says so when there is no error", function()
    local _, raised = pcall(smtplib.assert, false)
    assert.truthy(tostring(raised):find("assertion failed!", 1, true))
  end)
end)
