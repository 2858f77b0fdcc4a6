-- The contact form's handler: shows the form, checks what comes back, sends it by a
-- Mailer. The visitor's address becomes Reply-To, never the sender: mail that claims
-- to come from elsewhere is refused by many. What goes wrong is told to the visitor
-- in words that help, and to the error log in full.
local form = require "form"
local page = require "page"
local smtplib = require "smtplib"

local contact_form = {}

local fields = {
  { name = "name", label = "Your name", shape = "line", type = "text", autocomplete = "name", max = 100 },
  { name = "address", label = "Your e-mail address", shape = "line", type = "email", autocomplete = "email", max = 254 },
  { name = "text", label = "Your message", shape = "text", max = 10000 },
  { name = "file", label = "A file, if you like", shape = "file" },
}

local settings

---Called once, by init_by_lua.
---@param given table # mailer: a URL; from, to: addresses; max_file: bytes
function contact_form.configure(given)
  settings = given
end

-- One for each worker, so that its connections are kept for the next visitor.
local function mailer()
  settings.instance = settings.instance or smtplib.Mailer(settings.mailer, { timeout = 10, retries = 1, backoff = 0.2 })
  return settings.instance
end

local function answer(status, html)
  ngx.status = status
  ngx.header["Content-Type"] = "text/html; charset=utf-8"
  ngx.header["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    .. "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
  ngx.header["X-Content-Type-Options"] = "nosniff"
  ngx.header["Cache-Control"] = "no-store"
  ngx.print(html)
end

local function show(status, values, problems, text)
  answer(status, page.form(fields, values or {}, problems or {}, text))
end

-- One line in the log, whatever visitors and servers have written.
local function log(level, ...)
  local words = { ... }
  for i, word in ipairs(words) do words[i] = tostring(word):gsub("%c", " "):sub(1, 1000) end
  ngx.log(level, "contact form: ", table.concat(words))
end

-- What was typed: with the ends of its lines as browsers send them made "\n".
local function value_of(part)
  return part and not part.filename and part.content:gsub("\r\n", "\n"):match("^%s*(.-)%s*$") or ""
end

local function is_utf8(value)
  local _, _, err = ngx.re.find(value, "^", "u")
  return err == nil
end

-- Letters are not counted, but what comes from the form cannot be longer.
local function problem_of_text(value, field, lines)
  if value == "" then return "Please fill this in." end
  if #value > 4 * field.max then return ("Please use at most %d letters."):format(field.max) end
  if not is_utf8(value) or value:find("%z") or not lines and value:find("%c") then
    return "There is a letter in it that we cannot use."
  end
end

local function problem_of_address(value)
  if value == "" then return "Please fill this in, or we cannot answer." end
  if not value:find("@", 1, true) or value:find("[%s<>,;]") or not smtplib.quoteaddr(value) then
    return "This is not an e-mail address."
  end
end

local function problem_of_file(part)
  if part and #part.content > settings.max_file then
    return ("The file may have at most %.0f MB."):format(settings.max_file / 1024 / 1024)
  end
end

local function check(parts)
  local values = { name = value_of(parts.name), address = value_of(parts.address), text = value_of(parts.text) }
  local problems = {
    name = problem_of_text(values.name, fields[1]),
    address = problem_of_address(values.address),
    text = problem_of_text(values.text, fields[3], true),
    file = problem_of_file(parts.file),
  }
  return values, problems
end

-- A field for a file that was left empty is there, without a name and a content.
local function attachments_of(part)
  if not part or not part.filename or part.filename == "" then return nil end
  return { { content = part.content, filename = part.filename:gsub("%c", "_"), type = "application/octet-stream" } }
end

local function send(values, file)
  return mailer():send {
    from = settings.from, to = settings.to, reply_to = { name = values.name, addr = values.address },
    subject = "Contact form: " .. values.name,
    text = ("%s <%s> wrote:\n\n%s\n"):format(values.name, values.address, values.text),
    attachments = attachments_of(file),
  }
end

local function words_for(err)
  if err.delivery == "unknown" then
    return "We are not sure whether your message has been sent. If you get no answer, please write again."
  elseif err.temporary then
    return "Your message could not be sent just now. Please try again in a few minutes."
  end
  return "Your message could not be sent, and that is our fault. We have been told, and will look into it. "
    .. "Please write to " .. settings.to .. " meanwhile."
end

local function fail(err, values, file)
  log(ngx.ERR, err, "; delivery ", err.delivery, "; temporary ", err.temporary, "; host ", err.host or settings.mailer,
    "; Message-ID ", err.message_id or "none", "; from ", values.address)
  local words = words_for(err)
  if attachments_of(file) then words = words .. " The file has to be chosen anew." end
  show(err.temporary and 503 or 502, values, {}, words)
end

local function take()
  ngx.req.read_body()
  local parts, why = form.parse(ngx.var.content_type, ngx.req.get_body_data() or "")
  if not parts then
    log(ngx.WARN, "a request that is no form: ", why)
    return show(400, {}, {}, "That did not arrive as it should. Please try again.")
  end
  local values, problems = check(parts)
  if next(problems) then return show(422, values, problems, "Please look at what is marked below.") end
  local result, err = send(values, parts.file)
  if not result then return fail(err, values, parts.file) end
  log(ngx.NOTICE, "sent ", result.message_id, " for ", values.address)
  -- Reloading the page that follows sends nothing again.
  ngx.header["Location"] = "/contact?sent"
  answer(303, page.sent())
end

---Show the form, or take what it sends.
function contact_form.serve()
  local method = ngx.req.get_method()
  if method == "POST" then return take() end
  if method ~= "GET" and method ~= "HEAD" then
    ngx.header["Allow"] = "GET, HEAD, POST"
    return answer(405, page.sorry("That cannot be done here."))
  end
  if ngx.var.args == "sent" then return answer(200, page.sent()) end
  show(200)
end

local refusals = {
  [413] = "The file is too large. Please choose a smaller one.",
  [429] = "These were many messages in a short time. Please wait a minute, then try again.",
}

---What nginx itself has refused.
---@param status integer
function contact_form.refuse(status)
  answer(status, page.sorry(refusals[status] or "Please try again later."))
end

return contact_form
