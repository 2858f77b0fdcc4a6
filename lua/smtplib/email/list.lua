-- The fields of a mailing list (RFC 2369, 2919), and the one that lets a reader
-- leave it by one click (RFC 8058): from the option `list` of Message.

local core = require "smtplib.core"

local list = {}

local function refuse(name, why)
  return nil, "header", ("header '%s': %s"):format(name, why)
end

-- An address stands for a letter to it.
local function with_scheme(url)
  if url:find("^%a[%w+.-]*:") then return url end
  local spec = core.parse_path(url)
  return spec and spec ~= "" and "mailto:" .. spec or nil
end

local function url_text(name, entry)
  local url, comment = entry, nil
  if type(entry) == "table" then url, comment = entry.url, entry.comment end
  local is_none = name == "List-Post" and url == "NO"
  if type(url) ~= "string" or comment ~= nil and type(comment) ~= "string" then
    return nil, "misuse", ("header '%s': a URL or {url=, comment=} expected"):format(name)
  end
  local full = is_none and url or with_scheme(url)
  if not full or full:find("[^!-~]") or full:find('[<>"\\]') then return refuse(name, "not a URL") end
  local text = is_none and url or "<" .. full .. ">"
  if not comment then return text end
  if comment:find("[^ -~]") then return refuse(name, "a comment is printable ASCII") end
  return ("%s (%s)"):format(text, (comment:gsub("[()\\]", "\\%0")))
end

local function urls_text(name, value)
  if type(value) ~= "table" or value.url ~= nil then return url_text(name, value) end
  local texts = {}
  for i, entry in ipairs(value) do
    local text, why, sentence = url_text(name, entry)
    if not text then return nil, why, sentence end
    texts[i] = text
  end
  if #texts == 0 then return nil, "misuse", ("header '%s': a URL expected"):format(name) end
  return table.concat(texts, ", ")
end

-- phrase <id>, as the field has it: the id, and the phrase without its quotes.
local function split_id(value)
  local phrase, id = value:match("^%s*(.-)%s*<([^<>]*)>%s*$")
  if not id then return value end
  local quoted = phrase:match('^"(.*)"$')
  phrase = quoted and quoted:gsub("\\(.)", "%1") or phrase
  return id, phrase ~= "" and phrase or nil
end

local function id_text(name, value)
  local id, label = value, nil
  if type(value) == "table" then id, label = value.id, value.name end
  if type(value) == "string" then id, label = split_id(value) end
  if type(id) ~= "string" or label ~= nil and type(label) ~= "string" then
    return nil, "misuse", ("header '%s': an id or {id=, name=} expected"):format(name)
  end
  if type(value) == "table" then id = id:match("^<(.*)>$") or id end
  if not id:find("^[%w_-][%w_.-]*$") then return refuse(name, "not a list id") end
  if not label then return "<" .. id .. ">" end
  local phrase, why, sentence = core.phrase(label)
  if not phrase then return nil, why, sentence end
  return phrase .. " <" .. id .. ">"
end

local fields = {
  { "id", "List-Id", id_text }, { "help", "List-Help", urls_text }, { "unsubscribe", "List-Unsubscribe", urls_text },
  { "subscribe", "List-Subscribe", urls_text }, { "post", "List-Post", urls_text },
  { "owner", "List-Owner", urls_text }, { "archive", "List-Archive", urls_text },
}

local known = {}
for _, field in ipairs(fields) do known[field[1]] = true end

-- Only a web address can be asked to end a subscription (RFC 8058 section 3.1).
local function one_click(result, unsubscribe)
  if not (unsubscribe or ""):find("<https:", 1, true) then
    return refuse("List-Unsubscribe-Post", "one click needs an https URL in 'unsubscribe'")
  end
  result[#result + 1] = { "List-Unsubscribe-Post", "List-Unsubscribe=One-Click" }
  return result
end

--- The fields that the option stands for.
--- id, help, unsubscribe, subscribe, post, owner, archive are each a URL, an address,
--- {url=, comment=} or an array of such; post = true stands for the one click,
--- post = "NO" for a list to which nobody may post. An id may follow a phrase.
---@param opts table
---@return table[]|nil fields, string|nil why, string|nil sentence
function list.fields(opts)
  for name in pairs(opts) do
    if not known[name] then return nil, "misuse", ("unknown option 'list.%s'"):format(tostring(name)) end
  end
  local result, unsubscribe = {}, nil
  for _, field in ipairs(fields) do
    local value = opts[field[1]]
    if value ~= nil and type(value) ~= "boolean" then
      local text, why, sentence = field[3](field[2], value)
      if not text then return nil, why, sentence end
      result[#result + 1] = { field[2], text }
      if field[1] == "unsubscribe" then unsubscribe = text end
    elseif value == true and field[1] ~= "post" then
      return nil, "misuse", ("option 'list.%s': a URL expected"):format(field[1])
    end
  end
  if opts.post == true then return one_click(result, unsubscribe) end
  return result
end

return list
