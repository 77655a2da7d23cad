package webkit

// actionPrefix begins the name of a field that asks for an action: _actionPrefix of Webware.
const actionPrefix = "_action_"

// Action is something that a form can ask a Page to do. In Webware it is a method whose name actions()
// lists.
type Action struct {
	// Name is what the form calls the action: it has a field _action_ with that value, or a field whose
	// name is _action_ and the name.
	Name string
	// Run does it, and writes the page's body element, mostly by Self().WriteBody: PreAction and PostAction
	// write what is around that.
	Run func() error
}

// Actions returns the actions that forms may ask for: actions(). If a request asks for several, the first
// one listed here counts.
func (p *Page) Actions() []Action { return nil }

// MethodNameForAction returns the name of the action that a field _action_ of this value asks for:
// methodNameForAction(name). Override it where buttons show a text that differs from the name.
func (p *Page) MethodNameForAction(value string) string { return value }

// HandleAction runs an action between PreAction and PostAction: handleAction(action).
func (p *Page) HandleAction(a Action) error {
	self := p.Self()
	if err := self.PreAction(a.Name); err != nil {
		return err
	}
	if err := a.Run(); err != nil {
		return err
	}
	return self.PostAction(a.Name)
}

// PreAction begins the page before an action: doctype, the html tag and the head. preAction(name). Override
// it where actions only redirect.
func (p *Page) PreAction(string) error { return p.beginHTML() }

// PostAction ends the page after an action: postAction(name).
func (p *Page) PostAction(string) error {
	p.Writeln("</html>")
	return nil
}

// DefaultAction answers a request that asks for no action: defaultAction(), which is WriteHTML.
func (p *Page) DefaultAction() error { return p.Self().WriteHTML() }

// action returns the action that the request asks for, and whether there is one.
func (p *Page) action(actions []Action) (Action, bool) {
	r := p.Request()
	if value := r.FieldDefault(actionPrefix, ""); value != "" {
		name := p.Self().MethodNameForAction(value)
		for _, a := range actions {
			if a.Name == name {
				return a, true
			}
		}
	}
	for _, a := range actions {
		field := actionPrefix + a.Name
		if r.HasField(field) || r.HasField(field+".x") && r.HasField(field+".y") { // .x and .y: a button that is an image
			return a, true
		}
	}
	return Action{}, false
}
