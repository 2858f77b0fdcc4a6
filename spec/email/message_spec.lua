-- Message as a user meets it: fields, payload, output.
local email = require "smtplib.email"
local Message = email.Message

describe("an empty Message", function()
  it("prints as the first example of the manual", function()
    local message = Message()
    message["Subject"] = "Test"
    message:set_payload("This is the body of the message")
    local line, rest = tostring(message):match("^(.-)\n(.*)$")
    assert.matches("^From nobody %a%a%a %a%a%a [ %d]%d %d%d:%d%d:%d%d %d%d%d%d$", line)
    assert.equal("Subject: Test\n\nThis is the body of the message", rest)
  end)

  it("has no fields, no parts, no payload", function()
    local m = Message()
    assert.equal(0, #m)
    assert.is_nil(m["Subject"])
    assert.is_nil(m:get_payload())
    assert.is_false(m:is_multipart())
    assert.equal("\n", m:as_string())
  end)
end)

describe("header fields", function()
  local m
  before_each(function() m = Message() end)

  it("are found whatever the case of their name", function()
    m["Subject"] = "x"
    assert.equal("x", m["SUBJECT"])
    assert.equal("x", m:get("subject"))
    assert.is_true(m:contains("sUBJECT"))
    assert.equal("none", m:get("X-None", "none"))
  end)

  it("are replaced by an assignment, in their place", function()
    m["A"] = "1"
    m["B"] = "2"
    m:add_header("A", "3")
    m["a"] = "4"
    assert.same({ { "A", "4" }, { "B", "2" } }, m:items())
  end)

  it("are removed, all of that name, by nil", function()
    m:add_header("Received", "1")
    m:add_header("received", "2")
    m["Received"] = nil
    assert.equal(0, #m)
  end)

  it("are appended by add_header and listed in order", function()
    m:add_header("X", "1")
    m:add_header("Y", "2")
    m:add_header("x", "3")
    assert.equal(3, #m)
    assert.same({ "X", "Y", "x" }, m:keys())
    assert.same({ "1", "2", "3" }, m:values())
    assert.same({ "1", "3" }, m:get_all("X"))
    assert.same({}, m:get_all("Z"))
  end)

  it("give way to methods of the same name when read", function()
    m:add_header("walk", "on")
    assert.equal("function", type(m.walk))
    assert.equal("on", m:get("walk"))
  end)

  it("are replaced in their place by replace_header, which wants one", function()
    m["A"] = "1"
    m:replace_header("a", "2")
    assert.same({ { "A", "2" } }, m:items())
    assert.has_error(function() m:replace_header("B", "x") end)
  end)
end)
