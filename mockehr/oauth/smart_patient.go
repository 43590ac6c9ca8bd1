package oauth

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

// maxChoices is how many patients a page lists; others are chosen by their id.
const maxChoices = 100

// Patients are those that the person of a visit may choose from, as far as they
// are here, by id. more says that there are others, which the list leaves out.
func (s *SignIn) Patients(ctx context.Context, v Visit) (list []*fhir.Object, more bool, err error) {
	person, _ := s.opt.Directory().person(v.User)
	err = s.opt.Store.View(ctx, func(tx *store.Tx) error {
		if len(person.Patients) == 0 {
			list, more, err = everyPatient(tx)
			return err
		}
		for _, id := range person.Patients {
			there, err := patientThere(tx, id)
			if err != nil {
				return err
			}
			if !there {
				continue
			}
			if more = len(list) == maxChoices; more {
				return nil
			}
			found, err := tx.Read("Patient", id)
			if err != nil {
				return err
			}
			o, err := fhir.ParseJSON(found.JSON)
			if err != nil {
				return err
			}
			list = append(list, o)
		}
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("the patients to choose from: %w", err)
	}
	return list, more, nil
}

func everyPatient(tx *store.Tx) (list []*fhir.Object, more bool, err error) {
	query, err := store.ParseSearch("Patient", url.Values{"_sort": {"_id"}, "_count": {strconv.Itoa(maxChoices)}}, true)
	if err != nil {
		return nil, false, err
	}
	found, err := tx.Search(query, store.Scope{})
	if err != nil {
		return nil, false, err
	}
	for _, v := range found.Matches {
		o, err := fhir.ParseJSON(v.JSON)
		if err != nil {
			return nil, false, err
		}
		list = append(list, o)
	}
	return list, found.Next != "", nil
}

// Choose takes the patient that the application is to have. One that is not
// here, or not the person's to choose, is an *AnswerError: the same for both.
func (s *SignIn) Choose(ctx context.Context, v Visit, patient string) (Visit, error) {
	return s.change(ctx, v, func(tx *store.Tx, v *Visit) error {
		person, known := s.opt.Directory().person(v.User)
		there, err := patientThere(tx, patient)
		switch {
		case err != nil:
			return fmt.Errorf("the patient: %w", err)
		case v.User == "" || !known:
			return errVisit()
		case patient == "":
			return &AnswerError{Status: http.StatusUnprocessableEntity, Field: "patient", Message: "Choose whose record the application is to see."}
		case !there, !person.may(patient):
			return &AnswerError{Status: http.StatusUnprocessableEntity, Field: "patient", Message: "This is no patient that you can choose. Choose one of the list."}
		}
		v.Patient = patient
		return put(tx, *v)
	})
}

// may tells whether the person can choose a patient.
func (p Person) may(patient string) bool {
	return len(p.Patients) == 0 || slices.Contains(p.Patients, patient)
}
