package config

// bodyLimits has the fronts let in what the most generous route does; the routes
// that say nothing then keep to the top level's limit themselves.
func (s *Server) bodyLimits() {
	most := s.Front.MaxBody
	for i := range s.Routes {
		most = max(most, s.Routes[i].Chain.Limit.MaxBody)
	}
	if most == s.Front.MaxBody {
		return
	}
	s.Front.LargestBody = most
	for i := range s.Routes {
		if limit := &s.Routes[i].Chain.Limit; limit.MaxBody == 0 {
			limit.MaxBody = s.Front.MaxBody
		}
	}
}
