-- The pages that visitors see. Whatever comes from outside passes `escape`.
local page = {}

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

---Text as HTML, between tags and in quoted attributes.
---@param text string
---@return string
function page.escape(text)
  return (text:gsub("[&<>\"']", entities))
end

local frame = [[
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
label { display: block; margin-top: 1rem; font-weight: 600; }
input, textarea { box-sizing: border-box; width: 100%; padding: .5rem; border: 1px solid #767676; border-radius: .25rem; font: inherit; }
[aria-invalid=true] { border-color: #b00020; }
.problem { color: #b00020; margin: .25rem 0 0; }
.notice { border-left: .25rem solid; padding: .5rem 1rem; background: #f4f4f4; }
button { margin-top: 1.5rem; padding: .6rem 1.5rem; border: 0; border-radius: .25rem; font: inherit; cursor: pointer;
  background: #0b57d0; color: #fff; }
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{content}
</main>
</body>
</html>
]]

local function framed(title, content)
  local values = { title = page.escape(title), content = content }
  return (frame:gsub("{(%l+)}", values))
end

local function notice(text)
  return text and ('<p class="notice" role="alert" id="notice">%s</p>\n'):format(page.escape(text)) or ""
end

local function label(field)
  return ('<label for="%s">%s</label>\n'):format(field.name, field.label)
end

local function problem(field, text)
  if not text then return "", "" end
  return ' aria-invalid="true" aria-describedby="' .. field.name .. '-problem"',
    ('<p class="problem" id="%s-problem">%s</p>\n'):format(field.name, page.escape(text))
end

local shapes = {
  line = function(field, marks, value)
    return ('<input id="%s" name="%s" type="%s" autocomplete="%s" maxlength="%d" required%s value="%s">\n'):format(
      field.name, field.name, field.type, field.autocomplete, field.max, marks, page.escape(value))
  end,
  -- A line break behind the tag is not part of the text (HTML, 13.2.6.4.7).
  text = function(field, marks, value)
    return ('<textarea id="%s" name="%s" rows="8" maxlength="%d" required%s>\n%s</textarea>\n'):format(
      field.name, field.name, field.max, marks, page.escape(value))
  end,
  file = function(field, marks)
    return ('<input id="%s" name="%s" type="file"%s>\n'):format(field.name, field.name, marks)
  end,
}

---The form.
---@param fields table[] # what it asks for
---@param values table<string, string> # what has been typed already
---@param problems table<string, string> # what is wrong, by field
---@param text string? # what is wrong with all of it
---@return string
function page.form(fields, values, problems, text)
  local lines = { notice(text), '<form method="post" action="/contact" enctype="multipart/form-data">\n' }
  for _, field in ipairs(fields) do
    local marks, said = problem(field, problems[field.name])
    lines[#lines + 1] = label(field) .. shapes[field.shape](field, marks, values[field.name] or "") .. said
  end
  lines[#lines + 1] = '<button>Send</button>\n</form>'
  return framed("Write to us", table.concat(lines))
end

---@return string
function page.sent()
  return framed("Thank you", '<p id="sent">Your message has been sent. We will answer by e-mail.</p>\n'
    .. '<p><a href="/contact">Write another one</a></p>')
end

---@param text string
---@return string
function page.sorry(text)
  return framed("Sorry", notice(text) .. '<p><a href="/contact">Back to the form</a></p>')
end

return page
