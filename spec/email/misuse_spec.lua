-- What the programmer got wrong is told in the words of the call, never in those
-- of the library's inside.
local email = require "smtplib.email"
local Message = email.Message

local function closed_file()
  local file = assert(io.tmpfile())
  file:close()
  return file
end

local function part() return Message { text = "p" } end

local here = debug.getinfo(1, "S").short_src

local function assert_refused(expected, call)
  local ok, why = pcall(call)
  assert.is_false(ok, expected)
  assert.equal("string", type(why))
  assert.equal(here, why:match("^(.-):%d+: "), why)
  assert.equal(expected, (why:gsub("^.-:%d+: ", "", 1)))
end

describe("an entry of attachments", function()
  local function source() return nil end
  local fields = "option 'headers': a table of names and values, or an array of {name, value} expected"
  for _, case in ipairs {
    { { content = "x", filename = 5 }, "option 'filename': string expected, got number" },
    { { content = "x", type = {} }, "option 'type': string expected, got table" },
    { { content = "x", cid = 5 }, "option 'cid': string expected, got number" },
    { { content = "x", disposition = {} }, "option 'disposition': string expected, got table" },
    { { content = "x", headers = 5 }, "option 'headers': table expected, got number" },
    { { content = "x", headers = { 5 } }, fields },
    { { content = "x", headers = { { 5, "x" } } }, fields },
    { { content = "x", headers = { { "A", "x" }, B = "y" } }, fields },
    { { content = "x", charset = {} }, "option 'charset': string expected, got table" },
    { { content = "x", charset = "a b" }, "option 'charset': 'a b' is no charset" },
    { { content = "x", params = 1 }, "option 'params': table expected, got number" },
    { { content = "x", cte = 1 }, "option 'cte': string expected, got number" },
    { { content = source, length = "5" }, "option 'length': number expected, got string" },
    { { content = source, length = 1.5 }, "option 'length': a number of bytes expected" },
    { { content = "x", length = 1 }, "option 'length': only for content that is read when it is sent" },
    { { content = closed_file() }, "the content is a closed file" },
  } do
    it("is refused for its " .. case[2], function()
      local expected = "bad entry %d of '%s' (" .. case[2] .. ")"
      assert_refused(expected:format(1, "attachments"), function() Message { attachments = { case[1] } } end)
      assert_refused(expected:format(2, "inline"), function() Message { html = "h", inline = { part(), case[1] } } end)
    end)
  end

  it("may have each of its options", function()
    assert(Message { attachments = { {
      content = "x", filename = "f", type = "text/x", cid = "a@b", disposition = "inline", headers = { A = "b" },
      charset = "latin1", params = { a = "b" }, cte = "base64",
    }, { content = source, length = 0 } } })
  end)
end)

describe("what is refused names what was given:", function()
  for _, case in ipairs {
    { "headers = {1}", function() Message { headers = { 1 } } end,
      "bad option 'headers' (a table of names and values, or an array of {name, value} expected)" },
    { "headers = {[{}] = 'x'}", function() Message { headers = { [{}] = "x" } } end,
      "bad option 'headers' (a table of names and values, or an array of {name, value} expected)" },
    { "references = true", function() Message { references = true } end,
      "bad option 'references' (string or table expected, got boolean)" },
    { "in_reply_to = 5", function() Message { in_reply_to = 5 } end,
      "bad option 'in_reply_to' (string or table expected, got number)" },
    { "references = {5}", function() Message { references = { 5 } } end,
      "header 'References': string expected, got number" },
    { "Keywords = {{}}", function() Message()["Keywords"] = { {} } end,
      "header 'Keywords': string expected, got table" },
    { "get_payload({})", function() part():get_payload({}) end,
      "bad argument 'i' to 'get_payload' (number expected, got table)" },
    { "get_payload('x') of a multipart", function() email.MIMEMultipart():get_payload("x") end,
      "bad argument 'i' to 'get_payload' (number expected, got string)" },
    { "MIMEMessage('x')", function() email.MIMEMessage("x") end,
      "bad argument 'message' to 'MIMEMessage' (Message expected, got string)" },
    { "set_content with a length", function() Message():set_content("x", { length = 1 }) end,
      "bad option 'length' (only for content that is read when it is sent)" },
    { "add_attachment of a closed file", function() part():add_attachment(closed_file()) end,
      "bad argument 'content' to 'add_attachment' (string, Message, {path=} or source expected, got closed file)" },
    { "set_payload of a closed file", function() Message():set_payload(closed_file()) end,
      "bad argument 'payload' to 'set_payload' (string, array of Messages or content expected, got closed file)" },
    { "add_attachment with headers = {1}", function() part():add_attachment("x", { headers = { 1 } }) end,
      "bad option 'headers' (a table of names and values, or an array of {name, value} expected)" },
    { "add_attachment with params = {1}", function() part():add_attachment("x", { params = { 1 } }) end,
      "bad option 'params' (names and values are strings)" },
  } do
    it(case[1], function() assert_refused(case[3], case[2]) end)
  end
end)

describe("get_content of a multipart", function()
  it("is nil and an error that tells what to ask", function()
    local content, err = Message { text = "t", html = "h" }:get_content()
    assert.is_nil(content)
    assert.equal("SMTPException", err.name)
    assert.equal("a multipart has no content of its own: ask get_body() or iter_parts() for a part of it", err.message)
  end)
end)

describe("a Parser that was closed", function()
  it("begins anew", function()
    local parser = email.Parser()
    parser:feed("Subject: a\n\n1")
    assert.equal("a", parser:close()["Subject"])
    parser:feed("Subject: b\n\n2")
    local second = parser:close()
    assert.equal("b", second["Subject"])
    assert.equal("2", second:get_payload())
  end)
end)
