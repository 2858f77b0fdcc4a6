-- Error tables (API section 5).
local smtplib = require "smtplib"

local parents = {
  SMTPSocketError = "SMTPException", SMTPTLSError = "SMTPException", SMTPNotSupportedError = "SMTPException",
  SMTPServerDisconnected = "SMTPException", SMTPRecipientsRefused = "SMTPException",
  SMTPResponseException = "SMTPException", SMTPSenderRefused = "SMTPResponseException",
  SMTPDataError = "SMTPResponseException", SMTPConnectError = "SMTPResponseException",
  SMTPHeloError = "SMTPResponseException", SMTPAuthenticationError = "SMTPResponseException",
}

local function make(name)
  if name == "SMTPRecipientsRefused" then return smtplib[name] { ["a@b"] = { 550, "no" } } end
  if parents[name] == "SMTPResponseException" or name == "SMTPResponseException" then
    return smtplib[name](554, "no")
  end
  return smtplib[name]("no")
end

describe("error classes", function()
  for name, parent in pairs(parents) do
    it(name .. " derives from " .. parent, function()
      local err = make(name)
      assert.equal(name, err.name)
      assert.is_true(err:is(smtplib[name]))
      assert.is_true(err:is(smtplib[parent]))
      assert.is_true(err:is(smtplib.SMTPException))
      assert.is_true(smtplib.is_error(err))
      assert.is_true(smtplib.is_error(err, smtplib[name]))
      assert.is_true(smtplib.is_error(err, smtplib.SMTPException))
    end)

    it(name .. " is none of the others", function()
      local err = make(name)
      for other in pairs(parents) do
        if other ~= name and other ~= parent then
          assert.is_false(err:is(smtplib[other]), other)
          assert.is_false(smtplib.is_error(err, smtplib[other]), other)
        end
      end
    end)

    it(name .. " has the common fields", function()
      local err = make(name)
      assert.equal("string", type(err.message))
      assert.equal("boolean", type(err.temporary))
      assert.equal("none", err.delivery)
      assert.equal(0, tostring(err):find(name .. ": ", 1, true) - 1)
    end)
  end

  it("are tables, so that their fields can be read", function()
    assert.equal("table", type(make("SMTPDataError")))
  end)

  it("answer `is` by the class's name too", function()
    assert.is_true(make("SMTPDataError"):is("SMTPResponseException"))
    assert.is_false(make("SMTPDataError"):is("SMTPHeloError"))
    assert.is_false(make("SMTPDataError"):is("no such class"))
  end)

  it("do not carry what others were given", function()
    local one, other = smtplib.SMTPException("one"), smtplib.SMTPException("other")
    one.command = "MAIL"
    assert.equal("other", other.message)
    assert.is_nil(other.command)
  end)
end)

describe("constructors like Python's", function()
  it("SMTPException(message)", function()
    local err = smtplib.SMTPException("it broke")
    assert.equal("it broke", err.message)
    assert.equal("SMTPException: it broke", tostring(err))
    assert.equal("SMTPException", tostring(smtplib.SMTPException()))
  end)

  it("SMTPResponseException(code, message)", function()
    local err = smtplib.SMTPResponseException(554, "no")
    assert.equal(554, err.smtp_code)
    assert.equal("no", err.smtp_error)
    assert.is_false(err.temporary)
    assert.is_true(smtplib.SMTPResponseException(451, "later").temporary)
    assert.is_true(smtplib.SMTPResponseException(421, "bye").temporary)
    assert.is_false(smtplib.SMTPResponseException(354, "what").temporary)
  end)

  it("SMTPSenderRefused(code, message, sender)", function()
    local err = smtplib.SMTPSenderRefused(550, "no", "a@b")
    assert.equal(550, err.smtp_code)
    assert.equal("no", err.smtp_error)
    assert.equal("a@b", err.sender)
  end)

  it("SMTPDataError, SMTPConnectError, SMTPHeloError, SMTPAuthenticationError(code, message)", function()
    for _, name in ipairs { "SMTPDataError", "SMTPConnectError", "SMTPHeloError", "SMTPAuthenticationError" } do
      local err = smtplib[name](535, "no")
      assert.equal(535, err.smtp_code)
      assert.equal("no", err.smtp_error)
    end
  end)

  it("SMTPRecipientsRefused(recipients)", function()
    local recipients = { ["a@b"] = { 550, "no" } }
    local err = smtplib.SMTPRecipientsRefused(recipients)
    assert.equal(recipients, err.recipients)
    assert.is_false(err.temporary)
    assert.is_nil(err.smtp_code)
    assert.truthy(tostring(err):find("a@b", 1, true))
  end)

  it("SMTPRecipientsRefused is temporary when all are 4xx", function()
    local function is_temporary(...)
      local recipients = {}
      for i, code in ipairs { ... } do recipients["r" .. i .. "@x"] = { code, "no" } end
      return smtplib.SMTPRecipientsRefused(recipients).temporary
    end
    assert.is_true(is_temporary(450, 451, 452))
    assert.is_false(is_temporary(450, 550))
    assert.is_false(is_temporary(550))
    assert.is_false(is_temporary())
  end)

  it("SMTPSocketError(code, message) and SMTPServerDisconnected(message) are temporary", function()
    local err = smtplib.SMTPSocketError("ECONNREFUSED", "nobody listens")
    assert.equal("ECONNREFUSED", err.code)
    assert.equal("nobody listens", err.message)
    assert.is_true(err.temporary)
    assert.is_true(smtplib.SMTPServerDisconnected("gone").temporary)
    assert.is_false(smtplib.SMTPTLSError("bad").temporary)
    assert.is_false(smtplib.SMTPNotSupportedError("no").temporary)
  end)
end)

describe("tostring of an error", function()
  it("tells class, code, enhanced code, text and command", function()
    local err = smtplib.SMTPDataError(554, "Spam", "5.7.1")
    err.command = "DATA"
    assert.equal("SMTPDataError: 554 5.7.1 Spam (DATA)", tostring(err))
    assert.equal("5.7.1", err.enhanced_code)
  end)

  it("stays on one line", function()
    assert.is_nil(tostring(smtplib.SMTPDataError(554, "one\ntwo")):find("\n", 1, true))
  end)

  it("takes what is missing", function()
    assert.equal("string", type(tostring(smtplib.SMTPDataError())))
    assert.equal("string", type(tostring(smtplib.SMTPRecipientsRefused())))
    assert.equal("string", type(tostring(smtplib.SMTPSocketError())))
  end)
end)

describe("is_error", function()
  it("is false for everything else", function()
    for _, value in ipairs { "text", 1, true, {}, setmetatable({ name = "SMTPDataError" }, {}), print,
      smtplib.SMTPDataError } do
      assert.is_false(smtplib.is_error(value))
    end
    assert.is_false(smtplib.is_error(nil))
    assert.is_false(smtplib.is_error("text", smtplib.SMTPException))
  end)

  it("survives assert and pcall", function()
    local ok, err = pcall(function()
      smtplib.assert(smtplib.SMTP():noop())
    end)
    assert.is_false(ok)
    assert.is_true(smtplib.is_error(err, smtplib.SMTPServerDisconnected))
  end)
end)
